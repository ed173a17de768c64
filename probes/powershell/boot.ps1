# Runs the sections of a batch one after the other, each with a deadline, and prints their frames.
# PowerShell 2.0 grammar, 7-bit ASCII. Above it stand $CheckupBatch, $CheckupChecksums and $CheckupLibrary
# (the text of lib.ps1 as a script block); below it Hello, one Section for each section, and Goodbye.
# Nothing is written on the machine: frames go to standard output, or with $CheckupPipeline into the
# pipeline of whoever runs this as part of a bundle.

. $CheckupLibrary

$Token = $CheckupBatch.Substring(0, 12)
$Waiting = New-Object System.Text.StringBuilder
$Printed = [System.Diagnostics.Stopwatch]::StartNew()
$Counter = @{ 'frames' = 0 }
$Worker = @{ 'runspace' = $null }

# Parameters arrive as base64, never as code.
function Text([string] $encoded) {
  return [System.Text.Encoding]::UTF8.GetString([System.Convert]::FromBase64String($encoded))
}

function Texts([string] $encoded) {
  if ($encoded -eq '') {
    return ,@()
  }
  return ,@((Text $encoded).Split([char] 10))
}

function Print {
  if ($Waiting.Length -gt 0) {
    if ($CheckupPipeline) {
      Write-Output $Waiting.ToString()
    } else {
      [Console]::Out.Write($Waiting.ToString())
      [Console]::Out.Flush()
    }
    $Waiting.Length = 0
  }
  $Printed.Reset()
  $Printed.Start()
}

# Frames leave in groups: every group costs a round trip.
function PrintIfDue {
  if ($Waiting.Length -ge 32000) {
    Print
  } elseif ($Waiting.Length -gt 0 -and $Printed.ElapsedMilliseconds -ge 2000) {
    Print
  }
}

function Frame([string] $kind, [string] $about, [string] $status, [long] $spent, [string] $reason, [string] $payload) {
  $checksum = '-'
  if ($CheckupChecksums) {
    $sha1 = New-Object System.Security.Cryptography.SHA1CryptoServiceProvider
    $digest = $sha1.ComputeHash([System.Text.Encoding]::ASCII.GetBytes($payload))
    $checksum = 'sha1:' + [System.BitConverter]::ToString($digest).Replace('-', '').ToLowerInvariant()
  }
  $size = $payload.Length
  $header = "#CHECKUP $Token $kind $about status=$status ms=$spent encoding=b64 bytes=$size cksum=$checksum reason=$reason"
  [void]$Waiting.Append($header).Append([char] 10).Append($payload).Append([char] 10)
  $Counter['frames'] = $Counter['frames'] + 1
}

function OpenWorker {
  $runspace = [System.Management.Automation.Runspaces.RunspaceFactory]::CreateRunspace()
  $runspace.Open()
  $shell = [System.Management.Automation.PowerShell]::Create()
  $shell.Runspace = $runspace
  $computer = '$CheckupComputer = ''' + $CheckupComputer + ''''
  [void]$shell.AddScript($computer + [char] 10 + $CheckupLibrary.ToString())
  [void]$shell.Invoke()
  $shell.Dispose()
  return $runspace
}

# A section runs in the worker. One that does not come back is left behind there, and the next gets a
# new worker: stopping it could take for ever as well.
function Section([string] $target, [string] $name, [int] $version, [int] $seconds, $parameters, [scriptblock] $code) {
  $watch = [System.Diagnostics.Stopwatch]::StartNew()
  $about = "target=$target section=$name version=$version"
  try {
    if ($null -eq $Worker['runspace']) {
      $Worker['runspace'] = OpenWorker
    }
    $shell = [System.Management.Automation.PowerShell]::Create()
    $shell.Runspace = $Worker['runspace']
    $newline = [string] [char] 10
    [void]$shell.AddScript('param($P)' + $newline + 'Answer {' + $newline + $code.ToString() + $newline + '}')
    [void]$shell.AddArgument($parameters)
    $pending = $shell.BeginInvoke()
    $done = $false
    while (-not $done -and $watch.Elapsed.TotalSeconds -lt $seconds) {
      $done = $pending.AsyncWaitHandle.WaitOne(250, $false)
      if (-not $done) {
        PrintIfDue
      }
    }
    if ($done) {
      $answer = @($shell.EndInvoke($pending))
      $shell.Dispose()
      if ($answer.Length -eq 3) {
        Frame 'SECTION' $about $answer[0] $watch.ElapsedMilliseconds $answer[1] $answer[2]
      } else {
        Frame 'SECTION' $about 'bad_output' $watch.ElapsedMilliseconds 'the section gave no answer' ''
      }
    } else {
      $Worker['runspace'] = $null
      [void]$shell.BeginStop($null, $null)
      Frame 'SECTION' $about 'timeout' $watch.ElapsedMilliseconds "not done within $seconds s" ''
    }
  } catch {
    $Worker['runspace'] = $null
    $why = PlainLine ($_.Exception.GetType().Name + ': ' + $_.Exception.Message)
    Frame 'SECTION' $about 'bad_output' $watch.ElapsedMilliseconds $why ''
  }
  PrintIfDue
}

function Utc {
  $since = [System.DateTime]::UtcNow - (New-Object System.DateTime(1970, 1, 1))
  return $since.TotalSeconds.ToString('F3', $Invariant)
}

# The first frame: who answers.
function Hello([string] $site, [string] $endpoint) {
  $version = RegistryValues 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
  $number = [string] $version['CurrentVersion']
  if ($null -ne $version['CurrentMajorVersionNumber']) {
    $number = [string] $version['CurrentMajorVersionNumber'] + '.' + $version['CurrentMinorVersionNumber']
  }
  $build = [string] $version['CurrentBuildNumber']
  $kinds = @{ 'WinNT' = 'client'; 'ServerNT' = 'server'; 'LanmanNT' = 'domain-controller' }
  $kind = [string] $kinds[[string] (RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\ProductOptions' 'ProductType')]
  $guid = [string] (RegistryValue 'HKLM:\SOFTWARE\Microsoft\Cryptography' 'MachineGuid')
  $identity = ''
  if ($guid -ne '') {
    $identity = 'machine-guid:' + $guid.ToLowerInvariant()
  }
  $account = [System.Security.Principal.WindowsIdentity]::GetCurrent()
  $principal = New-Object System.Security.Principal.WindowsPrincipal($account)
  $elevated = 'no'
  if ($principal.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
    $elevated = 'yes'
  }
  $lines = @(
    'protocol=1',
    'platform=windows',
    "site=$site",
    "endpoint=$endpoint",
    "batch=$CheckupBatch",
    ('hostname=' + [System.Environment]::MachineName),
    "kernel=Windows $number.$build",
    "os_id=$kind",
    ('os_version=' + $build + '.' + $version['UBR']),
    "identity=$identity",
    ('user=' + $account.Name),
    "elevated=$elevated",
    ('utc=' + (Utc)),
    ('powershell=' + $PSVersionTable['PSVersion']),
    ('language=' + $ExecutionContext.SessionState.LanguageMode),
    ('bits=' + (8 * [System.IntPtr]::Size)),
    ('codepage=' + [Console]::OutputEncoding.CodePage),
    'timeout=yes',
    ''
  )
  Frame 'HELLO' 'target=- section=- version=0' 'ok' -1 '' (Encoded ([string]::Join([string] [char] 10, $lines)))
}

# The last frame: how many came before it. Leaving at once ends what a hung section left behind.
function Goodbye {
  $payload = 'frames=' + $Counter['frames'] + [char] 10 + 'utc=' + (Utc) + [char] 10
  Frame 'END' 'target=- section=- version=0' 'ok' -1 '' (Encoded $payload)
  Print
  if (-not $CheckupPipeline) {
    [System.Environment]::Exit(0)
  }
}
