"""Pages of an Access file, handed out by the Windows machine that owns its disk.

Where neither port 445 nor SFTP is open, the machine's own batch or bundle reads the file once from its
start to its end, open to everybody else, and answers with the pages that tell how the file is built: the
first page, definitions, usage maps and the rows of MSysObjects, the list of what the file holds. Data, index
and long-value pages are looked at for their first eight bytes and never leave the machine.

Which page is which (mdbtools "Pages", "Data Pages"; jackcess PageTypes; verified on the corpora): byte 0 is
the kind, 2 a definition, 5 a page of a usage map, 1 a page of rows, whose owner's definition page is the
number at byte 4: 2 for MSysObjects; 0 or the page itself where the rows are usage maps, which have 69 to 133
bytes and are looked at one by one.

The pages are turned into what is known of the file while they arrive, and are never stored: what is stored
of their section, and read in `pages_handed_out`, is a summary of what came.
"""

from __future__ import annotations

import base64
import re

from checkup.api import (
    Parameter,
    PowerShell,
)
from checkup.jet.encryption import header_mask
from checkup.jet.lock_file import MOST_BYTES as MOST_LOCK_BYTES

# The answer of a section has at most 8 MB; base64 in JSON in base64 makes 16 bytes of 9.
MOST_PAGE_BYTES = 4_200_000
MOST_FILES = 8
MOST_SECONDS = 90  # of reading, for all files; a disk reads the largest file in less than a minute

PARAMETERS = {
    "access_files": Parameter(
        "texts", (), "filled from `access:` of the site file: paths on this machine's own disks"
    )
}
PRIVACY = (
    "names of tables, columns and other objects, and how the file is built; no values, passwords blanked out"
)

# The mask over the first page, from the encoding key at 0x3E to the day of creation. In the file, a password
# that is not needed to read it lies under it: another takes its place, which says only that there is one.
_MASK = base64.b64encode(header_mask(0x7A - 0x18)[0x3E - 0x18 :]).decode("ascii")

_SCRIPT = r"""
$latin = [System.Text.Encoding]::GetEncoding(28591)
$mask = [System.Convert]::FromBase64String('@MASK@')
$watch = [System.Diagnostics.Stopwatch]::StartNew()
$buffer = [byte[]] (@(0) * 262144)
$keys = '@KEYS@'
$secrets = @(($keys + '@GIVEN@'), '@LOGINS@')
$budget = @{ 'left' = @MOST_PAGE_BYTES@ }

# How many bytes came: fewer than wanted at the end of the file.
function Fill($stream, [byte[]] $into, [int] $wanted) {
  $got = 0
  while ($got -lt $wanted) {
    $more = $stream.Read($into, $got, $wanted - $got)
    if ($more -eq 0) {
      return $got
    }
    $got = $got + $more
  }
  return $got
}

# A page as base64, without the zeros at its end.
function PageText([byte[]] $bytes, [int] $at, [int] $size) {
  $used = $latin.GetString($bytes, $at, $size).TrimEnd([char] 0).Length
  return [System.Convert]::ToBase64String($bytes, $at, $used)
}

# The whole days of a date that lies as a double at 0x72: no method of Windows PowerShell is needed for it.
function CreationDay([byte[]] $first) {
  $date = @(0) * 8
  for ($i = 0; $i -lt 8; $i++) {
    $date[$i] = $first[0x72 + $i] -bxor $mask[0x72 - 0x3E + $i]
  }
  $exponent = ($date[7] -band 127) * 16 + [System.Math]::Floor([double] ($date[6] / 16)) - 1023
  if ($exponent -lt 0 -or $exponent -gt 30) {
    return 0
  }
  $fraction = [double] ($date[6] -band 15)
  for ($i = 5; $i -ge 0; $i--) {
    $fraction = $fraction * 256 + $date[$i]
  }
  $days = [System.Math]::Floor((1 + $fraction / 4503599627370496) * [System.Math]::Pow(2, $exponent))
  if ($date[7] -gt 127) {
    return 0 - $days
  }
  return $days
}

# Puts a password in the first page out of sight: what is left says whether there is one.
function HidePassword([byte[]] $first, [int] $pageSize) {
  $length = 20
  $empty = [byte[]] (@(0) * 4)
  if ($pageSize -eq 4096) {
    $length = 40
    $empty = [System.BitConverter]::GetBytes([int] (CreationDay $first))
  }
  $set = $false
  for ($i = 0; $i -lt $length; $i++) {
    $none = $mask[0x42 - 0x3E + $i] -bxor $empty[$i % 4]
    if ($first[0x42 + $i] -ne $none) {
      $set = $true
    }
    $first[0x42 + $i] = $none
  }
  if ($set) {
    $first[0x42] = $first[0x42] -bxor 120
  }
}

# What a password of an encrypted file could be tried on. The kind of encryption stays.
function HideVerifier([byte[]] $first) {
  for ($i = 0x2A3; $i -lt 0xE00; $i++) {
    $first[$i] = 0
  }
}

# A page of MSysObjects: credentials in the connections of linked tables, which are long values within the
# row. Those that begin otherwise are properties, whose parts have lengths.
function HideConnections([byte[]] $bytes, [int] $at, [int] $size) {
  $page = $latin.GetString($bytes, $at, $size)
  foreach ($value in [regex]::Matches($page, '[\x00-\xff]{2}\x00\x80\x00{8}')) {
    $from = $value.Index + 12
    $length = $bytes[$at + $value.Index] + 256 * $bytes[$at + $value.Index + 1]
    if ($from + $length -gt $size) {
      $length = $size - $from
    }
    $words = $page.Substring($from, $length)
    if ($words -cnotmatch '^(MR2|KKD)\x00') {
      foreach ($pattern in $secrets) {
        foreach ($secret in [regex]::Matches($words, $pattern, 'IgnoreCase, CultureInvariant')) {
          $place = $secret.Groups[1]
          for ($i = 0; $i -lt $place.Length; $i++) {
            $spot = $at + $from + $place.Index + $i
            if ($bytes[$spot] -ne 0) {
              $bytes[$spot] = 42
            }
          }
        }
      }
    }
  }
}

# Whether the rows of a page are usage maps and nothing else: a zero, the number of a page and bits; or a one
# and numbers of pages, of which the first are enough for the largest file. The file has $most pages.
function HoldsMaps([byte[]] $bytes, [int] $at, [int] $size, [long] $most) {
  $slots = $at + 14
  $enough = 17
  if ($size -eq 2048) {
    $slots = $at + 10
    $enough = 33
  }
  $count = [System.BitConverter]::ToUInt16($bytes, $slots - 2)
  if ($count -eq 0 -or 14 + 2 * $count -gt $size) {
    return $false
  }
  $end = $size
  for ($row = 0; $row -lt $count; $row++) {
    $slot = [System.BitConverter]::ToUInt16($bytes, $slots + 2 * $row)
    $start = $slot -band 0x1FFF
    if ($start -gt $end) {
      return $false
    }
    $length = $end - $start
    $end = $start
    if ($slot -ge 0xC000 -and $length -eq 0) {
      continue
    }
    if ($slot -ge 0x4000 -or $length -lt 69 -or $length -gt 133 -or $length % 4 -ne 1) {
      return $false
    }
    $numbers = 1
    if ($bytes[$at + $start] -eq 1) {
      $numbers = [System.Math]::Min(($length - 1) / 4, $enough)
    } elseif ($bytes[$at + $start] -ne 0) {
      return $false
    }
    for ($i = 0; $i -lt $numbers; $i++) {
      if ([System.BitConverter]::ToUInt32($bytes, $at + $start + 1 + 4 * $i) -ge $most) {
        return $false
      }
    }
  }
  return $true
}

function LockFile([string] $path) {
  $stem = $path -replace '\.[^.\\]*$', ''
  $names = @(($stem + '.laccdb'), ($stem + '.ldb'))
  if ($path -match '\.acc[a-z]*$') {
    $names = @($names[0])
  } elseif ($path -match '\.md[a-z]$') {
    $names = @($names[1])
  }
  foreach ($name in $names) {
    if ([System.IO.File]::Exists($name)) {
      $lock = @{ 'name' = [System.IO.Path]::GetFileName($name); 'state' = 'unreadable'; 'data' = '' }
      try {
        $stream = New-Object System.IO.FileStream($name, 'Open', 'Read', 'ReadWrite, Delete')
        try {
          $lock['size'] = $stream.Length
          $lock['modified'] = [System.IO.File]::GetLastWriteTimeUtc($name)
          $bytes = [byte[]] (@(0) * @MOST_LOCK_BYTES@)
          $got = Fill $stream $bytes @MOST_LOCK_BYTES@
          $lock['data'] = [System.Convert]::ToBase64String($bytes, 0, $got)
          $lock['state'] = 'read'
        } finally {
          $stream.Close()
        }
      } catch {
        if ((QualityOf $_.Exception) -eq 'denied') {
          $lock['state'] = 'denied'
        }
      }
      return $lock
    }
  }
  return $null
}

# What is known of a page of rows that could be one of structure: '' where it holds something else.
function RowsOf([byte[]] $bytes, [int] $at, [int] $size, [long] $owner, [long] $most) {
  if ($owner -eq 2) {
    HideConnections $bytes $at $size
    return 'catalogue'
  }
  if (HoldsMaps $bytes $at $size $most) {
    return 'maps'
  }
  return ''
}

function TakePages($stream, $file) {
  $got = Fill $stream $buffer $buffer.Length
  $file['state'] = 'not-access'
  if ($got -lt 2048) {
    return
  }
  $name = $latin.GetString($buffer, 4, 15)
  $known = @('Standard Jet DB', 'Standard ACE DB', 'MSISAM Database') -ccontains $name
  if (-not $known -or $buffer[0] -ne 0 -or $buffer[1] -ne 1) {
    return
  }
  $size = 4096
  if ($buffer[0x14] -eq 0) {
    $size = 2048
  }
  if ($got -lt $size) {
    return
  }
  $file['page_bytes'] = $size
  $encoded = $name -clike 'MSISAM*'
  for ($i = 0; $i -lt 4; $i++) {
    if (($buffer[0x3E + $i] -bxor $mask[$i]) -ne 0) {
      $encoded = $true
    }
  }
  HidePassword $buffer $size
  if ($encoded -and $size -eq 4096) {
    HideVerifier $buffer
  }
  $numbers = New-Object System.Collections.ArrayList
  $pages = New-Object System.Collections.ArrayList
  [void]$numbers.Add(0)
  [void]$pages.Add((PageText $buffer 0 $size))
  $file['numbers'] = $numbers
  $file['pages'] = $pages
  $file['state'] = 'read'
  if ($encoded) {
    $file['state'] = 'encrypted'
    return
  }
  $most = [long] ($file['size'] / $size)
  $page = [long] 0
  while ($got -ge $size) {
    for ($at = 0; $at + $size -le $got; $at = $at + $size) {
      $kind = $buffer[$at]
      $take = $kind -eq 2 -or $kind -eq 5
      if ($kind -eq 1) {
        $owner = [System.BitConverter]::ToUInt32($buffer, $at + 4)
        if ($owner -eq 2 -or $owner -eq 0 -or $owner -eq $page) {
          $take = (RowsOf $buffer $at $size $owner $most) -ne ''
          if (-not $take) {
            $file['doubtful'] = $file['doubtful'] + 1
          }
        }
      }
      if ($take -and $page -gt 0) {
        if ($budget['left'] -ge $size) {
          $budget['left'] = $budget['left'] - $size
          [void]$numbers.Add($page)
          [void]$pages.Add((PageText $buffer $at $size))
        } else {
          $file['left_out'] = $file['left_out'] + 1
        }
      }
      $page = $page + 1
    }
    $file['scanned'] = $page
    if ($watch.Elapsed.TotalSeconds -gt @MOST_SECONDS@) {
      $file['stopped'] = $true
      break
    }
    $got = Fill $stream $buffer $buffer.Length
  }
}

# How many of the pages that were taken are others by now. A page that somebody is writing can be half of one
# and half of the other: what is wrong with a file counts only where its pages are the same twice.
function ChangedPages($stream, $file) {
  $size = $file['page_bytes']
  $numbers = $file['numbers']
  $pages = $file['pages']
  $changed = 0
  for ($i = 0; $i -lt $numbers.Count; $i++) {
    [void]$stream.Seek($numbers[$i] * $size, 'Begin')
    $got = Fill $stream $buffer $size
    if ($numbers[$i] -eq 0) {
      HidePassword $buffer $size
    } elseif ($buffer[0] -eq 1 -and [System.BitConverter]::ToUInt32($buffer, 4) -eq 2) {
      HideConnections $buffer 0 $size
    }
    if ($got -lt $size -or (PageText $buffer 0 $size) -cne $pages[$i]) {
      $changed = $changed + 1
    }
  }
  return $changed
}

$found = New-Object System.Collections.ArrayList
foreach ($path in @($P.access_files)) {
  if ($found.Count -ge @MOST_FILES@) {
    Partial 'only the first @MOST_FILES@ declared files were looked at'
    break
  }
  $file = @{ 'path' = $path; 'state' = 'unreadable'; 'size' = 0; 'modified' = $null; 'lock' = $null }
  $file['numbers'] = @()
  $file['pages'] = @()
  $file['page_bytes'] = 0
  $file['scanned'] = 0
  $file['left_out'] = 0
  $file['doubtful'] = 0
  $file['stopped'] = $false
  $file['changed'] = $null
  [void]$found.Add($file)
  if ($path -notmatch '^[A-Za-z]:[\\][^\[\]*?]*$') {
    $file['state'] = 'elsewhere'
    continue
  }
  $drive = New-Object System.IO.DriveInfo ($path.Substring(0, 1))
  if ([string] $drive.DriveType -eq 'Network') {
    $file['state'] = 'elsewhere'
    continue
  }
  if (-not [System.IO.File]::Exists($path)) {
    $file['state'] = 'missing'
    continue
  }
  try {
    $stream = New-Object System.IO.FileStream($path, 'Open', 'Read', 'ReadWrite, Delete')
    try {
      $file['size'] = $stream.Length
      $file['modified'] = [System.IO.File]::GetLastWriteTimeUtc($path)
      TakePages $stream $file
      $file['lock'] = LockFile $path
      if ($file['state'] -eq 'read' -and -not $file['stopped']) {
        if ($null -ne $file['lock']) {
          Start-Sleep -Seconds 2
        }
        $file['changed'] = ChangedPages $stream $file
      }
      $file['size_after'] = $stream.Length
      $file['modified_after'] = [System.IO.File]::GetLastWriteTimeUtc($path)
    } finally {
      $stream.Close()
    }
  } catch {
    if ($file['page_bytes'] -gt 0) {
      $file['stopped'] = $true
    } else {
      $file['state'] = 'unreadable'
      if ((QualityOf $_.Exception) -eq 'denied') {
        $file['state'] = 'denied'
      }
    }
    $file['lock'] = LockFile $path
  }
  if ($file['left_out'] -gt 0 -or $file['stopped']) {
    Partial 'not all pages of a file came: too many, no time left, or the disk failed'
  }
}
@{ 'files' = $found }
"""


def _spaced(word: str) -> str:
    """In UTF-16 there is a zero after each letter."""
    return r"\x00?".join(word)


# What is given as PWD=..., UID=..., "Access Token"=...: up to the next semicolon, or in braces, where a
# doubled brace is one of the value's own ([MS-ODBCSTR], 2.1). And who logs in to an https://name:word@host.
_WORDS = ("pwd", "pass", "secret", "token", "key", "uid", "user")
_KEYS = f"(?:{'|'.join(map(_spaced, _WORDS))})"
_GIVEN = r"[^;=]*=((?:[\x00 ]*\{(?:[^}]|\}\x00?\})*)?[^;]*)"
_LOGINS = f"{_spaced('://')}([^/;@]*)@"

_VALUES = {
    "MASK": _MASK,
    "KEYS": _KEYS,
    "GIVEN": _GIVEN,
    "LOGINS": _LOGINS,
    "MOST_PAGE_BYTES": MOST_PAGE_BYTES,
    "MOST_LOCK_BYTES": MOST_LOCK_BYTES,
    "MOST_SECONDS": MOST_SECONDS,
    "MOST_FILES": MOST_FILES,
}

COLLECTOR = PowerShell(
    re.sub(r"@([A-Z_]+)@", lambda found: str(_VALUES[found[1]]), _SCRIPT),
    timeout_s=MOST_SECONDS + 30,  # and two seconds beside each lock file
    rights="user",
    cost="large",
)
