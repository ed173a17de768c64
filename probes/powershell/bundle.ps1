# The part of a bundle that is the same in each: it runs batches and writes ONE file, the answer.
# PowerShell 2.0 grammar, 7-bit ASCII. Below it stands one DeliverBundle with a CollectHere for this
# computer, or also a CollectThere for each computer that is read from here with this session's own login.
# Beside that file nothing is written, here or there.
param([string] $Folder = '')

$ErrorActionPreference = 'Stop'
$CheckupPipeline = $true
$ScriptFile = [string] $MyInvocation.MyCommand.Path
$Round = @{ 'examined' = 0; 'kept' = 0; 'denied' = 0; 'refused' = '' }

function Say([string] $line) {
  Write-Host $line
}

# Beside this script, or in -Folder. The name tells runs apart that are scheduled.
function AnswerFile([string] $name) {
  $place = $Folder
  if ($place -eq '') {
    $place = '.'
    if ($ScriptFile -ne '') {
      $place = Split-Path -Path $ScriptFile -Parent
    }
  }
  $when = [System.DateTime]::Now.ToString('yyyyMMdd-HHmmss', [System.Globalization.CultureInfo]::InvariantCulture)
  return $place.TrimEnd('\') + '\' + $name + '_' + $when + '.bundle'
}

# Runs the round and writes what comes of it. The first line says of how many computers the file tells.
function DeliverBundle([string] $name, [int] $machines, $collect) {
  $file = AnswerFile $name
  try {
    & {
      Write-Output "#CHECKUP-BUNDLE machines=$machines"
      & $collect
    } | ForEach-Object {
      ([string] $_).Split([char] 10)
    } | Out-File $file ascii
  } catch {
    $said = [string] $_.Exception.Message
    Say "STOPPED: $said"
    Say 'If the file could not be written, run this again with -Folder and a folder you may write to.'
    return
  }
  $examined = $Round['examined']
  Say ''
  Say "Done: $examined of $machines computers were read. The answer is one file:"
  Say "  $file"
  Say 'Please send it as it is, as an attachment: the first lines of this script say to whom.'
}

function CollectHere([string] $endpoint, $batch) {
  Say "$endpoint (this computer): being read ..."
  try {
    & $batch
    Examined $endpoint
  } catch {
    LeftOut $endpoint (ReasonOf $_.Exception) ([string] $_.Exception.Message)
  }
}

# By WinRM, else by its management classes (WMI over DCOM); one computer after the other. $opens and
# $closes are the hours in which this computer is left alone, '' for one that may be read at any time.
function CollectThere {
  param(
    [string] $endpoint,
    [string] $computer,
    [string] $opens,
    [string] $closes,
    $batch,
    $queries
  )
  if ($opens -ne '' -and (AtWork $opens $closes)) {
    LeftOut $endpoint 'opted_out' "this machine is left alone from $opens to $closes; run it later"
    return
  }
  if ($Round['refused'] -ne '') {
    LeftOut $endpoint 'auth' ('not tried, so that no account gets locked: ' + $Round['refused'])
    return
  }
  Say "$endpoint : being read ..."
  $Round['kept'] = 0
  $class = 'unreachable'
  $why = "$computer answers neither on TCP port 5985 (WinRM) nor on 135 (DCOM): off, asleep, or behind a firewall"
  $tried = ''
  if (Answers $computer 5985) {
    # Looked up by Invoke-Command: a computer that does not answer in time is passed over.
    $PSSessionOption = New-Object System.Management.Automation.Remoting.PSSessionOption
    $PSSessionOption.OpenTimeout = New-Object System.TimeSpan(0, 0, 20)
    $PSSessionOption.OperationTimeout = New-Object System.TimeSpan(0, 2, 0)
    $PSSessionOption.NoMachineProfile = $true
    try {
      Invoke-Command $computer $batch | ForEach-Object {
        $Round['kept'] = $Round['kept'] + 1
        Write-Output $_
      }
      Examined $endpoint
      return
    } catch {
      $class = ReasonOf $_.Exception
      $tried = 'by WinRM: ' + $_.Exception.Message + '; '
      $why = $tried
    }
    if ($Round['kept'] -gt 0) {
      LeftOut $endpoint 'dropped' $why
      return
    }
    if ($class -eq 'auth' -or $class -eq 'denied') {
      Refused $endpoint $class $why
      return
    }
  }
  if (Answers $computer 135) {
    $CheckupComputer = $computer
    try {
      & $queries
      Examined $endpoint
      return
    } catch {
      $class = ReasonOf $_.Exception
      $why = $tried + 'by WMI: ' + $_.Exception.Message
    }
    if ($class -eq 'auth' -or $class -eq 'denied') {
      Refused $endpoint $class $why
      return
    }
  }
  LeftOut $endpoint $class $why
}

function Examined([string] $endpoint) {
  $Round['examined'] = $Round['examined'] + 1
  $Round['denied'] = 0
  Say "$endpoint : done"
}

# A login that is wrong here is wrong everywhere: tried on each computer it would lock the account. Being
# denied can mean the same where Windows does not tell the two apart.
function Refused([string] $endpoint, [string] $class, [string] $why) {
  LeftOut $endpoint $class $why
  $Round['denied'] = $Round['denied'] + 1
  if ($class -eq 'auth' -or $Round['denied'] -ge 3) {
    $Round['refused'] = "this session's login was refused by $endpoint"
  }
}

# One line in place of a computer's answer, or behind what came of it.
function LeftOut([string] $endpoint, [string] $class, [string] $words) {
  $line = [regex]::Replace($words, '[^ -~]+', ' ').Trim()
  if ($line.Length -gt 250) {
    $line = $line.Substring(0, 250)
  }
  Say "$endpoint : NOT READ, $class ($line)"
  Write-Output "#CHECKUP-UNREACHED $endpoint $class $line"
}

# What an error means, by its numbers: its words are localised.
function ReasonOf($exception) {
  # Logon failure, restricted account, outside of logon hours, workstation not allowed, password expired,
  # account disabled, logon type not granted, account expired, password to be changed, account locked
  # (winerror.h); below 0 the same as HRESULT.
  $logon = @(1326, 1327, 1328, 1329, 1330, 1331, 1385, 1793, 1907, 1909)
  for ($one = $exception; $null -ne $one; $one = $one.InnerException) {
    $said = [string] $one.Message
    if ($said.StartsWith('#constrained ')) {
      return 'constrained'
    }
    $code = 0
    if ($one.ErrorCode -is [int] -or $one.ErrorCode -is [System.Enum]) {
      $code = [long] $one.ErrorCode
    }
    if ($logon -contains $code -or $logon -contains ($code + 2147024896)) {
      return 'auth'
    }
    # ERROR_ACCESS_DENIED, E_ACCESSDENIED, WBEM_E_ACCESS_DENIED
    if (@(5, -2147024891, -2147217405) -contains $code) {
      return 'denied'
    }
    if ($one -is [System.UnauthorizedAccessException]) {
      return 'denied'
    }
  }
  return 'unreachable'
}

# Is somebody there? One of two ports that the computers of this site's list are meant to answer on.
function Answers([string] $computer, [int] $port) {
  $client = New-Object System.Net.Sockets.TcpClient
  try {
    $pending = $client.BeginConnect($computer, $port, $null, $null)
    $ended = $pending.AsyncWaitHandle.WaitOne(3000, $false)
    return ($ended -and $client.Connected)
  } catch {
    return $false
  } finally {
    $client.Close()
  }
}

# By this computer's own clock, Monday to Friday.
function AtWork([string] $opens, [string] $closes) {
  $now = [System.DateTime]::Now
  $time = $now.ToString('HH:mm', [System.Globalization.CultureInfo]::InvariantCulture)
  $day = [int] $now.DayOfWeek
  if ($day -lt 1 -or $day -gt 5) {
    return $false
  }
  return ([string]::CompareOrdinal($time, $opens) -ge 0 -and [string]::CompareOrdinal($time, $closes) -lt 0)
}

# The first frame of a computer that is asked from here: what its management classes tell of it.
function HelloFrom([string] $site, [string] $endpoint) {
  $systems = Wmi -Class 'Win32_OperatingSystem' -Properties @('CSName', 'Version', 'BuildNumber', 'ProductType')
  $products = Wmi -Class 'Win32_ComputerSystemProduct' -Properties @('UUID')
  $system = $systems[0]
  $identity = ''
  if ($products.Length -gt 0 -and $null -ne $products[0]['UUID']) {
    $identity = 'smbios-uuid:' + ([string] $products[0]['UUID']).ToLowerInvariant()
  }
  $kinds = @{ '1' = 'client'; '2' = 'domain-controller'; '3' = 'server' }
  $account = [System.Security.Principal.WindowsIdentity]::GetCurrent()
  $lines = @(
    'protocol=1',
    'platform=windows',
    'way=wmi',
    "site=$site",
    "endpoint=$endpoint",
    "batch=$CheckupBatch",
    ('hostname=' + $system['CSName']),
    ('kernel=Windows ' + $system['Version']),
    ('os_id=' + $kinds[[string] $system['ProductType']]),
    ('os_version=' + $system['BuildNumber']),
    "identity=$identity",
    ('user=' + $account.Name),
    ('utc=' + (Utc)),
    'timeout=yes',
    ''
  )
  Frame 'HELLO' 'target=- section=- version=0' 'ok' -1 '' (Encoded ([string]::Join([string] [char] 10, $lines)))
}
