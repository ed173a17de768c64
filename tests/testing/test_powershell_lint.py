from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkup.batch.powershell import BOOTSTRAP, SSH_FIRST_LINE
from checkup.testing.powershell_lint import problems, prologue_problems

READS = r"""
# What the volumes hold.
function Percent([long] $part, [long] $whole) {
  if ($whole -eq 0) {
    return 0
  }
  return [Math]::Round(100.0 * $part / $whole, 1)
}

$result = @{ 'volumes' = @(); 'at' = [DateTime]::UtcNow }
$found = New-Object System.Collections.ArrayList
$properties = 'DeviceID', 'Size', 'FreeSpace'
foreach ($row in (Wmi -Class 'Win32_LogicalDisk' -Properties $properties -Where 'DriveType=3')) {
  $name = [string] $row['DeviceID']
  if ($name -notmatch '^[A-Z]:$') {
    Partial "odd name of a volume: $name"
    continue
  }
  [void]$found.Add(@{ 'name' = $name.ToUpper(); 'used' = (Percent $row['FreeSpace'] $row['Size']) })
}
$result.volumes = $found.ToArray()
$path = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
if (Test-Path -LiteralPath $path) {
  $result['build'] = RegistryValue $path 'CurrentBuildNumber'
} else {
  Absent 'no such key'
}
for ($i = 0; $i -lt 3; $i++) {
  $result["n$i"] = -join ('a', 'b')
}
try {
  $stream = New-Object System.IO.FileStream($P.path, 'Open', 'Read', 'ReadWrite')
  $stream.Close()
} catch [System.IO.FileNotFoundException] {
  $result['missing'] = $true
} finally {
  $i = 0
}
switch ($i) {
  0 { $result['zero'] = "it's $($i + 1)" }
  default { $result['zero'] = $null }
}
$files = Get-ChildItem -LiteralPath $env:SystemRoot -Filter '*.log' -ErrorAction SilentlyContinue
$files = $files | Where-Object { -not $_.PSIsContainer } | Sort-Object -Property 'Name'
$result.logs = @($files | Select-Object -First 3)
$result['user'] = [System.Security.Principal.WindowsIdentity]::GetCurrent().User.Value
$text = New-Object System.Text.StringBuilder
[void]$text.Append('a').Append("b`n")
if (Get-Command 'Get-SmbShare' -ErrorAction SilentlyContinue) {
  $result['shares'] = @(Get-SmbShare | ForEach-Object { $_.Name }).Length
}
do {
  $i = $i + 1
} while ($i -lt 2)
$clean = ([string] $text).Replace('a', 'c') -replace '\\$', ''
$time = w32tm.exe /query /status 2> $null
$result
"""

CHANGES = r"""
Remove-Item x
Remove-Item -Path 'x' -Recurse
Stop-Service 'x'
Set-ItemProperty -Path 'HKLM:\x' -Name 'y' -Value 1
Set-Content 'x' 'y'
New-Item 'x'
Clear-EventLog 'x'
Restart-Computer
Microsoft.PowerShell.Management\Remove-Item x
rm x
del x
sc x y
echo x
% { 1 }
? { 1 }
gwmi Win32_BIOS
iex 'rm x'
Invoke-Expression 'Remove-Item x'
Invoke-Command { 1 }
Start-Process 'x'
Add-Type 'class X {}'
Invoke-WmiMethod -Class 'Win32_Process' -Name 'Create'
Get-Process | Stop-Process
x.exe
cmd.exe /c del x
cmd /c del x
reg.exe delete x
w32tm.exe /resync
w32tm.exe /query /status; w32tm.exe /unregister
w32tm.exe $x
powershell.exe -EncodedCommand AAAA
.\x.ps1
C:\x.exe
Item x
& 'Remove-Item' x
& ('Remove' + '-Item') x
& { 1 }
. { 1 }
. 'x.ps1'
$x = 'rm'; & $x
$x = { 1 }; $x.Invoke()
[scriptblock]::Create('rm x')
[ScriptBlock] 'rm x'
Re`move-Item x
Remove-`Item x
'x' > file
'x' >> file
'x' 2> file
Get-Item x > file
Get-Item x >file
Get-Item x *> file
Get-Item x>file
Get-Process 1>file
Get-Item 'x' | Out-File 'y'
Get-Item 'x' | Tee-Object 'y'
Get-Item -Path:$true
Get-Item 'x' -OutVariable y
Get-Item 'x' -ov y
Get-Item 'x' -PipelineVariable y
Get-Item 'x' -ErrorVariable +y
Get-Item @args
$x = @{ Path = 'y' }; Get-Item @x
Get-Service 'x' -ComputerName 'y'
Get-ChildItem 'x' -File
Get-ChildItem 'x' -Rec
Get-Process | Select-Object -Property @{ Name = 'a'; Expression = { Remove-Item x } }
Get-Process | ForEach-Object -MemberName 'Kill'
Get-Process | ForEach-Object Kill
$x = 'Kill'; Get-Process | ForEach-Object $x
Get-Process | Where-Object Name -eq 'x'
Get-Process | ForEach-Object { $_.Kill() }
Get-Process | ForEach-Object Delete
[IO.File]::Delete('x')
[System.IO.File]::WriteAllText('x', 'y')
[IO.File]::Open('x', 'Create')
[Microsoft.Win32.Registry]::SetValue('a', 'b', 'c')
[Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('a', $true)
[Microsoft.Win32.Registry]::LocalMachine.DeleteSubKey('a')
[Environment]::SetEnvironmentVariable('a', 'b')
[Environment]::Exit(0)
[Diagnostics.Process]::Start('x')
[Reflection.Assembly]::LoadWithPartialName('x')
[Activator]::CreateInstance('x')
[type]::GetType('x')
$x = [IO.File]; $x::Delete('y')
$x = 'System.IO.File' -as [type]; $x::Delete('y')
('x' -as [type])::Delete('y')
[wmiclass]'Win32_Process'
[wmi]'Win32_Service.Name="x"'
[adsi]'WinNT://./x'
[xml]'<a/>'
$x = Get-Item 'x'; $x.Delete()
$x = Get-Item 'x'; $x . Delete()
$x = Get-Item 'x'; $x.'Delete'()
$x = Get-Item 'x'; $y = 'Delete'; $x.$y()
$x = Get-Item 'x'; $x.MoveTo('y')
$x = Get-Item 'x'; $x.Replace('y', 'z')
$x = Get-Item 'x'; $x.PSObject.Methods['Delete'].Invoke()
$x = Get-Item 'x'; $x.PSObject.Methods
$x = Get-Item 'x'; $x.Delete.Invoke()
$x = Get-Item 'x'; $x.Attributes = 'Hidden'
$x = Get-Item 'x'; $x.LastWriteTime = 0
$x = Get-Item 'x'; $x.a['b'].c = 1
$x = Get-Item 'x'; $x.Count++
(Get-Item 'x').IsReadOnly = $true
$x = @{}; $x = Get-Item 'y'; $x.IsReadOnly = $true
$x = @{}; $x['a'] = Get-Item 'y'; $x['a'].IsReadOnly = $true
$x = @{}; foreach ($i in 1..2) { $x.IsReadOnly = $true; $x = Get-Item 'y' }
$x = @{}; Get-Item 'y' | ForEach-Object { $x.IsReadOnly = $true; $x = $_ }
$x = @{}; if ($true) { $x = Get-Item 'y' }; $x.IsReadOnly = $true
$x = @{}; $x = foreach ($i in 1..2) { Get-Item 'y' }; $x.IsReadOnly = $true
$x = Get-Item 'y'; function Tidy { $x.IsReadOnly = $true; $x = @{} }; Tidy
$x = @{}; function Tidy { $x.IsReadOnly = $true }; function Call { $x = Get-Item 'y'; Tidy }; Call
$x = Get-Item 'y'; if ($true) { $x = @{} }; $x.IsReadOnly = $true
$x = Get-Item 'y'; try { $x = @{}; 1 } catch { $x.IsReadOnly = $true }
$x = @{}; foreach ($x in (Get-Item 'y')) { $x.IsReadOnly = $true }
$c = 'Win32_BIOS'; foreach ($i in 1..2) { $y = Wmi $c 'Name'; $c = 'Win32_Product' }
$x = Get-Item 'y'; $z = { param([hashtable] $x) 1 }; $x.IsReadOnly = $true
$c = 'Win32_BIOS'; $c += 'x'; $y = Wmi $c 'Name'
$x = Get-Item 'y'; Write-Output $x.Delete{1}
$x = Get-Item 'y'; Write-Output $x.Delete()()
$x = Get-Item 'y'; Write-Output (1)$x.Delete()
Get-Item(Remove-Item x)
Get-Item -Path(Remove-Item x)
$x = Get-Service 'y'; $x.Stop()
$x = Get-Service 'y'; $x.GetType().InvokeMember('Stop', 'InvokeMethod', $null, $x, $null)
foreach ($x in (Get-Service)) { $x.Start() }
$x = Get-Acl 'y'; $x.Add(1)
$x.Put()
Write-Output (Get-Item 'x').Delete()
Test-Path $env:x.Delete()
$env:PATH = 'x'
$global:x = 1
$script:x = 1
$function:x = { 1 }
${C:\x} = 1
${function:x}
$P = 1
$Invariant = 1
$CheckupComputer = 'x'
$null = 1
$PSDefaultParameterValues['*:OutVariable'] = 'x'
$ExecutionContext.InvokeCommand.InvokeScript('x')
[Console]::Out.Write('x')
New-Object 'Net.WebClient'
New-Object -TypeName IO.StreamWriter('x')
New-Object IO.FileStream('x', 'Create')
New-Object IO.FileStream('x', 'Open')
New-Object IO.FileStream('x', 'Open', 'ReadWrite', 'ReadWrite')
New-Object IO.FileStream('x', 'Open', 'Read', 'None')
$x = 'IO.StreamWriter'; New-Object $x
New-Object -ComObject 'WScript.Shell'
New-Object -ComObject $x
Wmi 'Win32_Product' 'Name'
Wmi -Class 'Win32_Product' -Properties 'Name'
Wmi -Class ('Win32_' + 'Product') -Properties 'Name'
$x = 'Win32_Product'; Wmi $x 'Name'
foreach ($x in 'Win32_BIOS', 'Win32_Product') { $y = Wmi $x 'Name' }
foreach ($x in $P.classes) { $y = Wmi $x 'Name' }
Wmi 'Win32_BIOS' 'Name' -Namespace 'root\x'
Wmi 'Win32_BIOS' $P.names
Wmi 'CIM_DataFile' 'Name'
WmiRows 'SELECT * FROM Win32_BIOS' 'root\cimv2' 'Name'
"x $(Remove-Item x)"
"x $(rm x) $("y")"
"$(& $x)"
@(Remove-Item x)
@{ a = Remove-Item x }
@{ a = (Remove-Item x) }
if (Remove-Item x) { 1 }
while (Remove-Item x) { 1 }
switch (Remove-Item x) { 1 { 2 } }
foreach ($x in (Remove-Item y)) { 1 }
$x = if ($true) { Remove-Item y }
try { Remove-Item x } catch { 1 }
try { 1 } catch { Remove-Item x }
try { 1 } finally { Remove-Item x }
function Tidy($x = (Remove-Item y)) { 1 }
function Tidy { Remove-Item x }
function Remove-Item { 1 }
function rm { 1 }
function Absent { 1 }
if ($true) { function Tidy { 1 } }
Tidy 'x'; function Tidy($x) { 1 }
function Tidy { Later 'x' }; Tidy; function Later($x) { 1 }
Test-Path '\\server\share'
Test-Path "\\$env:x\share"
Test-Path 'Microsoft.PowerShell.Core\FileSystem::\\server\x'
Test-Path \\server\share
Test-Path '\\.\PhysicalDrive0'
Get-ChildItem 'WSMan:\localhost'
RegistryValue 'HKLM:\SAM\SAM' 'x'
RegistryValue 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon' 'DefaultPassword'
exit 1
break
Get-Process | ForEach-Object { continue }
trap { 1 }
--% rm x
Get-Item --% rm x
Get-Item x & rm x
"""

# What PowerShell 2.0 does not know, or means otherwise.
NEWER = r"""
[pscustomobject]@{ a = 1 }
[ordered]@{ a = 1 }
1 -in 1, 2
1 -notin 1, 2
1 -shl 2
[Text.StringBuilder]::new()
class X { }
enum X { a }
using namespace System
1 && 2
Get-Item 'x' && Get-Item 'y'
1 || 2
$null ?? 1
$true ? 1 : 2
try { 1 }
$PSItem
$IsWindows
ConvertTo-Json 1
Get-CimInstance 'Win32_BIOS'
Get-SmbShare
Get-SmbShare; Get-Command 'Get-SmbShare'
Get-Content 'x' -Raw
Get-Content 'x' -Tail 3
Get-Item 'x' -ErrorAction Ignore
$x = 1, 2; $x.Where({ $_ -gt 1 })
$x = 1, 2; $x.ForEach({ $_ })
"a`e[0m"
[Parameter(Mandatory)] $x = 1
function Tidy { [CmdletBinding()] param($x) 1 }
function Tidy { begin { 1 } }
[string]::IsNullOrWhiteSpace('x')
Get-Item [string]
Write-Output $x + 1
$unknown
Percent
Partial('a')
@{ 'a' = 1; A = 2 }
"$P: a"
"$P?"
if ($P = 1) { 2 }
@{ a = 1, b = 2 }
if ($P == 1) { 2 }
Partial 'a' 'b'
Partial -Text 'a'
Wmi -Class 'Win32_BIOS' -Properties
$x = Wmi 'Win32_BIOS' 'Caption'; if ($x.Caption -match 'Server') { 1 }
"""

CHANGES_OF_SEVERAL_LINES = [
    "@'\nRemove-Item x\n'@",
    '@"\n$(Remove-Item x)\n"@',
    "$x = 'a\nRemove-Item x\n'",
    "Get-Item 'x' `\n | Remove-Item",
    "Get-Item 'x'\r\nRemove-Item x",
    "# a\rRemove-Item x",
    "<# a #> Remove-Item x",
    "<# a\n#>",
    "Get-Item a#b",
    "#requires -Modules x",
    "Get-Item a'b'",
    "Get-Item \u2018x\u2019",
    "Get-Item \u2013Path x",
    "$x\n.Delete()",
    "x" * 161,
    "}\nRemove-Item x\n{",
    "Get-Item -Path\nRemove-Item x",
    "$x = 1\n" * 6000,
]


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def test_a_fragment_that_only_reads_has_no_problem() -> None:
    assert problems(READS) == []


def test_the_prologue_does_no_more_than_its_permissions() -> None:
    assert prologue_problems() == []


@pytest.mark.parametrize(
    ("opening", "more"),
    [
        (BOOTSTRAP, {}),
        (SSH_FIRST_LINE.decode(), {"static console::In": "the script", "method ReadToEnd": "the script"}),
    ],
)
def test_the_first_line_of_a_batch_runs_the_script_and_no_more(opening: str, more: dict[str, str]) -> None:
    permissions = {
        "operator &": "the script",
        "static management.automation.scriptblock::Create": "the script",
        "statement exit": "no full language",
        "variable ExecutionContext": "the language mode",
        "property SessionState": "the language mode",
    }
    found = problems(opening, permissions=permissions | more)
    assert [one for one in found if "characters in one line" not in one] == []


@pytest.mark.parametrize("script", lines(CHANGES))
def test_what_may_change_something_is_refused(script: str) -> None:
    assert [one for one in problems(script) if "nothing sets" not in one]


@pytest.mark.parametrize("script", lines(NEWER))
def test_what_an_old_powershell_does_not_know_is_refused(script: str) -> None:
    assert problems(script)


@pytest.mark.parametrize("script", CHANGES_OF_SEVERAL_LINES)
def test_tricks_with_lines_and_quotes_are_refused(script: str) -> None:
    assert problems(script)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(line=st.sampled_from(lines(CHANGES)), place=st.integers(0, READS.count("\n")))
def test_a_dangerous_line_is_caught_wherever_it_stands(line: str, place: int) -> None:
    clean = READS.splitlines()
    assert problems("\n".join([*clean[:place], line, *clean[place:]]))


CALLS = [
    "Remove-Item x",
    "Stop-Service 'x'",
    "rm x",
    "& $x",
    "[IO.File]::Delete('x')",
    "'x' > y",
    "$_.Delete()",
]
HARMLESS = re.compile(r"#[^\n]*\n|'(?:[^'\n]|'')*'")  # comments and texts in which nothing runs


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(call=st.sampled_from(CALLS), place=st.integers(0, len(READS)))
def test_a_dangerous_call_is_caught_at_any_character(call: str, place: int) -> None:
    if not any(found.start() < place < found.end() for found in HARMLESS.finditer(READS)):
        assert problems(f"{READS[:place]}$({call}){READS[place:]}")


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    st.lists(
        st.one_of(st.text(max_size=8), st.sampled_from(re.findall(r"\w+|\s+|[^\w\s]", READS))), max_size=12
    )
)
def test_any_text_gets_an_answer(parts: list[str]) -> None:
    problems("".join(parts))


def test_a_problem_is_named_with_its_place() -> None:
    assert problems("1\n\nClear-Recycle x", where="volumes (windows)") == [
        "volumes (windows): line 3: Clear-Recycle is not on the list of cmdlets that only read (CMDLETS), "
        "and no function that is known"
    ]


def test_only_parameters_of_the_section_may_be_read() -> None:
    assert problems("$P.since", parameters=frozenset({"since"})) == []
    assert problems("$P.sinec", parameters=frozenset({"since"})) == [
        "line 1: the section has no parameter sinec"
    ]


def test_a_permission_lets_one_name_pass_and_must_be_used() -> None:
    assert problems("$x = 'a'; & $x", permissions={"operator &": "a test"}) == []
    (unused,) = problems("1", permissions={"operator &": "a test"})
    assert "not used" in unused


def test_a_newer_cmdlet_needs_a_question_before() -> None:
    asked = "if (Get-Command 'Get-SmbShare' -ErrorAction SilentlyContinue) { Get-SmbShare }"
    assert problems(asked) == []
    assert problems("Get-SmbShare")


@pytest.mark.parametrize(
    "script",
    [
        "$h = @{}\n$h.a = 1\n$h['b'] += 2\n$h.Remove('a')",
        "function Fill([hashtable] $into) {\n  $into.a = 1\n  $into.Remove('b')\n}\nFill @{}",
        "$t = 'a' + 1\n$t.Replace('a', 'b')",
        "$l = New-Object System.Collections.ArrayList\n[void]$l.Add(1)\n$l.Clear()",
        "function One { $x = @{}; $x.a = 1; $x }\nfunction Two { $x = 3; $x }\nOne\nTwo",
        "$c = 'Win32_BIOS'\n$x = Wmi $c 'Name'\n$c = 'MSFT_Disk'\n"
        "$x = Wmi $c 'Number' -Namespace 'root\\Microsoft\\Windows\\Storage'",
        "$t = 'a'\nforeach ($i in 1..3) {\n  $t = $t.Replace('a', 'b')\n}\n$t.Replace('b', 'a')",
        '"$($P): a, $P, $P."',
        "@{ 'a' = @{ 'a' = 1 }; 'b' = @{ 'a' = 1 } }",
        "$w = [System.Diagnostics.Stopwatch]::StartNew()\n$w.Stop()",
        "Write-Output $null.ToString()",
        "foreach ($c in 'Win32_BIOS', 'Win32_ComputerSystem') { Wmi $c @('Name') }",
        "$x = New-Object IO.FileStream -ArgumentList 'a', 'Open', 'Read', 'ReadWrite, Delete'",
        "$p2 = 'x' -replace '\\\\System32\\\\', '\\a'",
        "$x = 1 +\n  2\n$y = @(\n  'a',\n  'b'\n) |\n  Sort-Object",
        "try { 1 } catch [System.UnauthorizedAccessException], [System.IO.IOException] { 2 }",
        "$x = w32tm.exe /query /configuration 2>&1",
    ],
)
def test_what_a_fragment_may_do(script: str) -> None:
    assert problems(script) == []
