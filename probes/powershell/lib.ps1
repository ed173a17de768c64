# What the fragments of sections may call. It reads, and hands back plain data.
# PowerShell 2.0 grammar, 7-bit ASCII. It runs in the worker runspace of boot.ps1.

$ErrorActionPreference = 'Stop'
$WarningPreference = 'SilentlyContinue'
$ProgressPreference = 'SilentlyContinue'
$CheckupPartial = New-Object System.Collections.ArrayList
$Invariant = [System.Globalization.CultureInfo]::InvariantCulture

# --- how a section says that its facts are not what they should be ---

function Absent([string] $reason) {
  throw ('#absent ' + $reason)
}

function Unsupported([string] $reason) {
  throw ('#unsupported ' + $reason)
}

function Denied([string] $reason) {
  throw ('#denied ' + $reason)
}

# The section goes on; its facts are kept, and called incomplete.
function Partial([string] $reason) {
  [void]$CheckupPartial.Add($reason)
}

# --- management classes ---

# The rows of a query, each a hashtable. With -Optional null where this Windows has no such class.
# CIM dates stay the texts that they are.
function Wmi {
  param(
    [string] $Class,
    [string[]] $Properties,
    [string] $Where = '',
    [string] $Namespace = 'root\cimv2',
    [switch] $Optional
  )
  $condition = ''
  if ($Where -ne '') {
    $condition = ' WHERE ' + $Where
  }
  try {
    $wql = 'SELECT ' + [string]::Join(', ', $Properties) + ' FROM ' + $Class + $condition
    $rows = WmiRows $wql $Namespace $Properties
  } catch {
    $code = WmiErrorCode $_.Exception
    if ($Optional -and (@('InvalidClass', 'InvalidNamespace', 'NotFound') -contains $code)) {
      return $null
    }
    if ($code -ne 'InvalidQuery') {
      throw
    }
    # An older Windows lacks one of the properties: take those that it has.
    $wql = 'SELECT * FROM ' + $Class + $condition
    $rows = WmiRows $wql $Namespace $Properties
  }
  return ,$rows
}

# The name of the management error behind an exception, '' if there is none.
function WmiErrorCode($exception) {
  for ($one = $exception; $null -ne $one; $one = $one.InnerException) {
    if ($one -is [System.Management.ManagementException]) {
      return [string] $one.ErrorCode
    }
  }
  return ''
}

function WmiRows([string] $wql, [string] $namespace, [string[]] $properties) {
  $options = New-Object System.Management.EnumerationOptions
  $options.ReturnImmediately = $true
  $options.Rewindable = $false
  $options.Timeout = New-Object System.TimeSpan(0, 0, 15)
  $computer = '.'
  if ($CheckupComputer) {
    $computer = $CheckupComputer
  }
  $scope = '\\' + $computer + '\' + $namespace
  $searcher = New-Object System.Management.ManagementObjectSearcher($scope, $wql, $options)
  $rows = New-Object System.Collections.ArrayList
  foreach ($object in $searcher.Get()) {
    $names = @{}
    foreach ($property in $object.Properties) {
      $names[$property.Name] = $true
    }
    $row = @{}
    foreach ($name in $properties) {
      $row[$name] = $null
      if ($names.ContainsKey($name)) {
        $row[$name] = $object.GetPropertyValue($name)
      }
    }
    [void]$rows.Add($row)
  }
  return ,$rows.ToArray()
}

# --- the registry, opened for reading; 'HKLM:\SOFTWARE\...' or 'HKU:\...' ---

function RegistryKey([string] $path) {
  $hive = [Microsoft.Win32.Registry]::LocalMachine
  if ($path.StartsWith('HKU:')) {
    $hive = [Microsoft.Win32.Registry]::Users
  }
  $below = $path.Substring($path.IndexOf(':') + 1).TrimStart('\')
  if ($below -eq '') {
    return $hive
  }
  return $hive.OpenSubKey($below)
}

# One value, or null where there is none. %NAMES% in it are left as they are.
function RegistryValue([string] $path, [string] $name) {
  $key = RegistryKey $path
  if ($null -eq $key) {
    return $null
  }
  $value = $key.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
  $key.Close()
  return $value
}

# All values by name; null where there is no such key.
function RegistryValues([string] $path) {
  $key = RegistryKey $path
  if ($null -eq $key) {
    return $null
  }
  $values = @{}
  foreach ($name in $key.GetValueNames()) {
    $values[$name] = $key.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
  }
  $key.Close()
  return $values
}

# The names of the keys below; null where there is no such key.
function RegistryKeys([string] $path) {
  $key = RegistryKey $path
  if ($null -eq $key) {
    return $null
  }
  $names = @($key.GetSubKeyNames())
  if ($path -ne 'HKU:\') {
    $key.Close()
  }
  return ,$names
}

# --- event logs ---

# What a log holds since a moment (seconds since 1970), grouped: no message is read. -Filter is a
# condition of the log's own query language, like '(EventID=41 or EventID=6008)'. -Fields are places
# of inserted values that are part of the group, for the events whose values are known to be harmless
# (names of programs). Newest first; after -Most events the rest is left out and `cut` says so.
# `oldest` is the time of the log's oldest event: null for an empty log.
function Events {
  param(
    [string] $Log,
    [long] $Since,
    [string] $Filter = '',
    [int[]] $Fields = @(),
    [int] $Most = 20000,
    [switch] $Optional
  )
  try {
    # Windows PowerShell 2.0 loads the classes used below with this command only.
    [void](Get-WinEvent -ListLog $Log)
  } catch {
    if ($Optional -and ($_.FullyQualifiedErrorId -like 'NoMatchingLogsFound*')) {
      return $null
    }
    throw
  }
  $from = (New-Object System.DateTime(1970, 1, 1)).AddSeconds($Since)
  $when = $from.ToString('yyyy-MM-ddTHH:mm:ss.fffZ', $Invariant)
  $condition = "TimeCreated[@SystemTime>='" + $when + "']"
  if ($Filter -ne '') {
    $condition = $condition + ' and ' + $Filter
  }
  $path = '*[System[' + $condition + ']]'
  $query = New-Object System.Diagnostics.Eventing.Reader.EventLogQuery($Log, 'LogName', $path)
  $query.ReverseDirection = $true
  $reader = New-Object System.Diagnostics.Eventing.Reader.EventLogReader($query)
  $groups = @{}
  $read = 0
  $cut = $false
  while ($null -ne ($record = $reader.ReadEvent())) {
    if ($read -ge $Most) {
      $cut = $true
      break
    }
    $read = $read + 1
    $values = @()
    if ($Fields.Length) {
      $properties = $record.Properties
      foreach ($place in $Fields) {
        if ($place -lt $properties.Count) {
          $values += [string] $properties[$place].Value
        }
      }
    }
    $key = [string] $record.ProviderName + '|' + $record.Id + '|' + $record.Level + '|' + [string]::Join('|', $values)
    $at = $record.TimeCreated
    if ($groups.ContainsKey($key)) {
      $group = $groups[$key]
      $group['count'] = $group['count'] + 1
      $group['first'] = $at
    } else {
      $groups[$key] = @{
        'provider' = $record.ProviderName
        'id' = $record.Id
        'level' = $record.Level
        'fields' = $values
        'count' = 1
        'first' = $at
        'last' = $at
      }
    }
    $record.Dispose()
  }
  $reader.Dispose()
  return @{
    'log' = $Log
    'groups' = @($groups.Values)
    'read' = $read
    'cut' = $cut
    'oldest' = (OldestEvent $Log)
  }
}

function OldestEvent([string] $log) {
  $query = New-Object System.Diagnostics.Eventing.Reader.EventLogQuery($log, 'LogName', '*')
  $reader = New-Object System.Diagnostics.Eventing.Reader.EventLogReader($query)
  $record = $reader.ReadEvent()
  $at = $null
  if ($null -ne $record) {
    $at = $record.TimeCreated
    $record.Dispose()
  }
  $reader.Dispose()
  return $at
}

# --- the answer of a section ---

# Runs a fragment and gives three texts: quality, reason, and the data as JSON in base64.
function Answer([scriptblock] $code) {
  $CheckupPartial.Clear()
  try {
    $data = & $code
    $json = New-Object System.Text.StringBuilder
    WriteJson $data $json 0
    $status = 'ok'
    $reason = ''
    if ($CheckupPartial.Count) {
      $status = 'partial'
      $reason = [string]::Join('; ', @($CheckupPartial.ToArray()))
    }
    return @($status, (PlainLine $reason), (Encoded $json.ToString()))
  } catch {
    $said = [string] $_.Exception.Message
    if ($said -match '^#(absent|unsupported|denied) ') {
      $status = $said.Substring(1, $said.IndexOf(' ') - 1)
      return @($status, (PlainLine $said.Substring($said.IndexOf(' ') + 1)), '')
    }
    $kind = $_.Exception.GetType().Name
    return @((QualityOf $_.Exception), (PlainLine ($kind + ': ' + $said)), '')
  }
}

# What an error means for the facts; its words are localised, its type and number are not.
function QualityOf($exception) {
  for ($one = $exception; $null -ne $one; $one = $one.InnerException) {
    if ($one -is [System.UnauthorizedAccessException]) {
      return 'denied'
    }
    if ($one -is [System.Security.SecurityException]) {
      return 'denied'
    }
    if ($one -is [System.Management.ManagementException]) {
      $code = [string] $one.ErrorCode
      if (@('AccessDenied', 'PrivilegeNotHeld') -contains $code) {
        return 'denied'
      }
      if (@('InvalidClass', 'InvalidNamespace', 'NotSupported', 'ProviderNotFound') -contains $code) {
        return 'unsupported'
      }
      if ($code -eq 'Timedout') {
        return 'timeout'
      }
    }
    if ($one -is [System.Runtime.InteropServices.COMException]) {
      # E_ACCESSDENIED, WBEM_E_ACCESS_DENIED
      if (@(-2147024891, -2147217405) -contains $one.ErrorCode) {
        return 'denied'
      }
    }
    if ($one.GetType().Name -eq 'CommandNotFoundException') {
      return 'unsupported'
    }
    if ($one.GetType().Name -eq 'EventLogNotFoundException') {
      return 'absent'
    }
  }
  return 'bad_output'
}

# One line of printable ASCII.
function PlainLine([string] $text) {
  $line = [regex]::Replace($text, '[^ -~]+', ' ').Trim()
  if ($line.Length -gt 250) {
    $line = $line.Substring(0, 250)
  }
  return $line
}

# UTF-8 in base64, in lines of 76 characters that end in a line feed alone.
function Encoded([string] $text) {
  $bytes = [System.Text.Encoding]::UTF8.GetBytes($text)
  return [System.Convert]::ToBase64String($bytes, 'InsertLineBreaks').Replace("`r", '')
}

# --- JSON, the same in every PowerShell: ConvertTo-Json is missing in 2.0 and loses data later ---

function WriteJson($value, [System.Text.StringBuilder] $into, [int] $depth) {
  if ($depth -gt 8) {
    throw 'the data is nested too deeply'
  }
  if ($null -eq $value) {
    [void]$into.Append('null')
  } elseif ($value -is [string] -or $value -is [char]) {
    WriteJsonText ([string] $value) $into
  } elseif ($value -is [bool]) {
    [void]$into.Append(([string] $value).ToLowerInvariant())
  } elseif ($value -is [double] -or $value -is [float]) {
    $number = $value.ToString('R', $Invariant)
    if ([regex]::IsMatch($number, '^-?[0-9]')) {
      [void]$into.Append($number)
    } else {
      [void]$into.Append('null')
    }
  } elseif ($value -is [System.DateTime]) {
    $text = $value.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ss.fffZ', $Invariant)
    [void]$into.Append('"').Append($text).Append('"')
  } elseif ($value -is [System.Enum]) {
    [void]$into.Append(([long] $value).ToString($Invariant))
  } elseif ($value -is [System.ValueType] -and $value -is [System.IConvertible]) {
    [void]$into.Append($value.ToString($Invariant))
  } elseif ($value -is [System.Collections.IDictionary]) {
    [void]$into.Append('{')
    $first = $true
    foreach ($key in @($value.Keys)) {
      if (-not $first) {
        [void]$into.Append(',')
      }
      $first = $false
      WriteJsonText ([string] $key) $into
      [void]$into.Append(':')
      WriteJson $value[$key] $into ($depth + 1)
    }
    [void]$into.Append('}')
  } elseif ($value -is [System.Collections.IEnumerable]) {
    [void]$into.Append('[')
    $first = $true
    foreach ($one in $value) {
      if (-not $first) {
        [void]$into.Append(',')
      }
      $first = $false
      WriteJson $one $into ($depth + 1)
    }
    [void]$into.Append(']')
  } else {
    throw ('this kind of data cannot be written: ' + $value.GetType().FullName)
  }
}

function WriteJsonText([string] $text, [System.Text.StringBuilder] $into) {
  [void]$into.Append('"')
  if ([regex]::IsMatch($text, '[^ !#-\[\]-~]')) {
    foreach ($character in $text.ToCharArray()) {
      $code = [int] $character
      if ($code -lt 32 -or $code -gt 126 -or $code -eq 34 -or $code -eq 92) {
        [void]$into.Append('\u').Append($code.ToString('x4'))
      } else {
        [void]$into.Append($character)
      }
    }
  } else {
    [void]$into.Append($text)
  }
  [void]$into.Append('"')
}
