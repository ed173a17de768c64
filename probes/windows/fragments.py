"""PowerShell that several fragments begin with: both views of the registry, and files on local drives."""

from __future__ import annotations

# A 32-bit PowerShell on 64-bit Windows is shown the 32-bit registry and folders in place of the others:
# what it does not find may be there.
VIEWS = r"""
$environment = 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
$wide = ([string] (RegistryValue $environment 'PROCESSOR_ARCHITECTURE')) -ne 'x86'
if ($wide -and [System.IntPtr]::Size -eq 4) {
  Denied 'a 32-bit PowerShell does not see all of a 64-bit Windows'
}
$views = @(@{ 'bits' = 32; 'root' = 'HKLM:\SOFTWARE' })
if ($wide) {
  $views[0]['root'] = 'HKLM:\SOFTWARE\WOW6432Node'
  $views += @{ 'bits' = 64; 'root' = 'HKLM:\SOFTWARE' }
}
"""

# A path that cannot be asked about without the network is `elsewhere`; a drive that is not there (in this
# logon session) is no missing file. $wide is that of VIEWS.
FILES = r"""
# A registered path as 64-bit programs see it, whichever programs it is registered for.
function PlainPath([string] $path, [int] $bits) {
  $plain = $path.Trim().Trim('"') -replace '/', '\'
  if ($wide -and $bits -eq 32) {
    $plain = $plain -replace '%ProgramFiles%', '%ProgramFiles(x86)%'
    $plain = $plain -replace '%CommonProgramFiles%', '%CommonProgramFiles(x86)%'
  }
  $plain = [System.Environment]::ExpandEnvironmentVariables($plain)
  if ($plain -ne '' -and $plain.IndexOf('\') -lt 0) {
    $plain = [System.Environment]::SystemDirectory + '\' + $plain
  }
  if ($wide -and $bits -eq 32) {
    $plain = $plain -replace '\\System32\\', '\SysWOW64\'
  }
  return $plain
}

function FileState([string] $path) {
  if ($path -notmatch '^[A-Za-z]:[\\]') {
    return 'elsewhere'
  }
  $drive = New-Object System.IO.DriveInfo ($path.Substring(0, 1))
  $kind = [string] $drive.DriveType
  if ($kind -eq 'Network') {
    return 'elsewhere'
  }
  if ($kind -eq 'NoRootDirectory') {
    return 'no drive'
  }
  try {
    [void][System.IO.File]::GetAttributes($path)
    return 'there'
  } catch [System.IO.FileNotFoundException] {
    return 'missing'
  } catch [System.IO.DirectoryNotFoundException] {
    return 'missing'
  } catch {
    return 'unreadable'
  }
}

# The numbers of the version resource, which no language changes; an empty text for a file without one.
function FileVersion([string] $path) {
  $info = [System.Diagnostics.FileVersionInfo]::GetVersionInfo($path)
  $numbers = @($info.FileMajorPart, $info.FileMinorPart, $info.FileBuildPart, $info.FilePrivatePart)
  $version = [string]::Join('.', $numbers)
  if ($version -eq '0.0.0.0') {
    return ''
  }
  return $version
}

function FileName([string] $path) {
  return ($path -replace '^.*[\\/]', '')
}
"""
