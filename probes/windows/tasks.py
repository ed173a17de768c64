"""Jobs of the Task Scheduler, and how their last runs ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Instant,
    Metric,
    NotApplicable,
    Number,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Text,
    Value,
    When,
)
from probes.windows.rows import Row, flag, instant, number, rows, text


@dataclass(frozen=True, slots=True)
class Task:
    """`result` is what the last run ended with, as 32 bits without a sign; `program` is the file name of what
    it starts; a task that never ran has no `last_at`."""

    path: str
    enabled: bool
    result: int
    last_at: datetime | None
    next_at: datetime | None
    missed: int
    program: str

    @property
    def name(self) -> str:
        return self.path.rpartition("\\")[2]


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks that are not Windows' own; `windows` is the number of those."""

    tasks: tuple[Task, ...]
    windows: int


# An account without rights gets only the tasks that it may see, and no word of the others. Names of tasks
# may hold the SID of a user: it is taken out. 1 asks for hidden tasks as well.
WINDOWS = r"""
$account = [System.Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object System.Security.Principal.WindowsPrincipal($account)
if (-not $principal.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
  Partial 'only the tasks that this account may see'
}
$service = New-Object -ComObject 'Schedule.Service'
$service.Connect()
$folders = New-Object System.Collections.ArrayList
[void]$folders.Add($service.GetFolder('\'))
$tasks = @()
$own = 0
for ($place = 0; $place -lt $folders.Count; $place++) {
  $folder = $folders[$place]
  foreach ($below in $folder.GetFolders(0)) {
    [void]$folders.Add($below)
  }
  foreach ($task in $folder.GetTasks(1)) {
    if ($task.Path.StartsWith('\Microsoft\')) {
      $own = $own + 1
    } else {
      $program = ''
      try {
        foreach ($action in $task.Definition.Actions) {
          if ($action.Type -eq 0 -and $program -eq '') {
            $program = [string] $action.Path
          }
        }
      } catch {
        # A damaged task still has a name and a result.
        $program = ''
      }
      $tasks += @{
        'path' = [regex]::Replace($task.Path, 'S-1-5-21-[0-9-]+', 'S-1-5-21-*')
        'enabled' = $task.Enabled
        'result' = $task.LastTaskResult
        'last' = $task.LastRunTime
        'next' = $task.NextRunTime
        'missed' = $task.NumberOfMissedRuns
        'program' = $program.Substring($program.LastIndexOf('\') + 1).Trim([char] 34)
      }
    }
  }
}
@{
  'tasks' = $tasks
  'windows' = $own
}
"""

# No date of the Task Scheduler's (Windows 2000, the oldest) lies before it: the day zero of its dates.
FIRST_YEAR = 2000


def parse(raw: JSON, source: str, version: int) -> Tasks:
    if not isinstance(raw, dict):
        raise ValueError("not a list of tasks")
    return Tasks(tuple(map(_task, rows(raw, "tasks"))), number(raw["windows"]) or 0)


def _task(row: Row) -> Task:
    result = number(row["result"])
    if result is None:
        raise ValueError("a task without a result")
    return Task(
        path=text(row["path"]),
        enabled=flag(row["enabled"]) is True,
        result=result & 0xFFFFFFFF,
        last_at=_moment(row["last"]),
        next_at=_moment(row["next"]),
        missed=number(row["missed"]) or 0,
        program=text(row["program"]),
    )


def _moment(value: JSON) -> datetime | None:
    moment = instant(value)
    return moment if moment is not None and moment.year >= FIRST_YEAR else None


tasks = Section(
    name="tasks",
    facts=Tasks,
    collect={"windows": PowerShell(WINDOWS, timeout_s=40, rights="administrator", cost="medium")},
    parse=parse,
    privacy="names of tasks without those of users, file names of their programs, results and times",
)

# Task Scheduler error and success constants (learn.microsoft.com/windows/win32/taskschd): ready, running,
# disabled, not yet run, no more runs, not scheduled, no triggers, triggered by events, queued.
NOT_FAILED = frozenset({0, *range(0x41300, 0x41306), 0x41307, 0x41308, 0x41325})
# robocopy's results below 8 say what was copied (learn.microsoft.com, robocopy: exit return codes).
ROBOCOPY_FAILED = 8

MEANING = {
    0x00041306: "it was stopped before its end",
    0x8004130F: "the account's password is not stored",
    0x8004131F: "it was still running from the time before",
    0x80041326: "the task is disabled",
    0x8007010B: "its folder is not there",
    0x80070002: "its program is not there",
    0x80070003: "its folder is not there",
    0x80070005: "access denied",
    0x8007052E: "wrong name or password",
    0x80070569: "the account may not run jobs",
    0x800704DD: "nobody was logged on",
    0x800710E0: "its conditions were not met",
    0xC000013A: "it was closed from outside",
}


@dataclass(frozen=True, slots=True)
class TaskLevels:
    # Tasks that update a program of their own maker: begins of their names.
    minor: tuple[str, ...] = (
        "Adobe",
        "CCleaner",
        "Firefox",
        "GoogleUpdate",
        "MicrosoftEdgeUpdate",
        "Mozilla",
        "OneDrive",
        "Opera",
        "Zoom",
    )


def check(facts: Tasks, levels: TaskLevels, ctx: Context) -> Iterator[Result]:
    live = [task for task in facts.tasks if task.enabled]
    failed = [task for task in live if _has_failed(task)]
    yield Metric(name="failed", value=Number(len(failed)))
    for task in failed[:100]:
        minor = task.name.lower().startswith(tuple(name.lower() for name in levels.minor))
        yield Finding(
            impact=Impact.NOTE if minor else Impact.LIMITED,
            when=When.LATER if minor else When.BEFORE_NEXT_VISIT,
            message="failed",
            item=task.path,
            evidence=_evidence(task),
        )
    if not live:
        yield NotApplicable(reason="nothing but Windows itself is run by the Task Scheduler")
    elif not failed:
        yield Passed(evidence={"tasks": Number(len(live))})


def _has_failed(task: Task) -> bool:
    if task.program.lower().startswith("robocopy") and task.result < ROBOCOPY_FAILED:
        return False
    return task.last_at is not None and task.result not in NOT_FAILED


def _evidence(task: Task) -> dict[str, Value]:
    said = MEANING.get(task.result)
    shown: dict[str, Value] = {
        "result": Text(f"0x{task.result:X} ({said})" if said else f"0x{task.result:X}"),
        "program": Text(task.program or "not known"),
        "missed": Number(task.missed),
    }
    if task.last_at is not None:
        shown["last"] = Instant(task.last_at)
    return shown


scheduled_tasks = Probe(
    id="windows.scheduled-tasks",
    title="Jobs of the Task Scheduler end well",
    check=check,
    levels=TaskLevels(),
    messages={"failed": "The last run of the task {item} ended with {result}."},
    why="Jobs run at night: copies, exports, clean-up. Nobody sees when one stops working.",
    remedy="Look the result up, mend the cause (often a changed password or a moved program) and run the "
    "task once by hand; disable or remove a task that is left over.",
    verify="In `taskschd.msc` the column Last Run Result shows 0x0 after the next run.",
    rights="a local administrator, to see all tasks",
    references=("domain: sql.jobs, for jobs of the system",),
)
