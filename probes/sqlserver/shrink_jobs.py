"""Jobs that make database files smaller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Finding,
    Impact,
    NoLevels,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Visit,
    When,
)
from probes.sql.rows import reader
from probes.sqlserver.jobs import WITH_AGENT


@dataclass(frozen=True, slots=True)
class ShrinkJob:
    """An enabled job: with steps that shrink, or with those of a maintenance plan, which are not shown."""

    job_name: str
    shrinking_steps: int
    plan_steps: int


class ShrinkJobs(SqlFacts[ShrinkJob]):
    pass


shrink_jobs = Section(
    name="sqlserver-shrink-jobs",
    facts=ShrinkJobs,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT j.name AS job_name,
       SUM(CASE WHEN s.command COLLATE Latin1_General_CI_AS LIKE N'%SHRINKDATABASE%'
                  OR s.command COLLATE Latin1_General_CI_AS LIKE N'%SHRINKFILE%' THEN 1 ELSE 0 END)
           AS shrinking_steps,
       SUM(CASE WHEN s.subsystem = N'SSIS' THEN 1 ELSE 0 END) AS plan_steps
FROM msdb.dbo.sysjobs AS j
JOIN msdb.dbo.sysjobsteps AS s ON s.job_id = j.job_id
WHERE j.enabled = 1
  AND (s.command COLLATE Latin1_General_CI_AS LIKE N'%SHRINKDATABASE%'
       OR s.command COLLATE Latin1_General_CI_AS LIKE N'%SHRINKFILE%'
       OR (s.subsystem = N'SSIS' AND s.command COLLATE Latin1_General_CI_AS LIKE N'%Maintenance Plans%'))
GROUP BY j.job_id, j.name
""",
                    reads=("msdb.dbo.sysjobs", "msdb.dbo.sysjobsteps"),
                    editions=WITH_AGENT,
                    rights=("SELECT ON msdb.dbo.sysjobs", "SELECT ON msdb.dbo.sysjobsteps"),
                ),
            ),
            row=ShrinkJob,
        )
    },
    parse=reader(ShrinkJobs, ShrinkJob),
    privacy="names of jobs that shrink databases",
)


def check(facts: ShrinkJobs, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    hidden = [one for one in facts.rows if one.plan_steps and not one.shrinking_steps]
    for one in facts.rows:
        if one.shrinking_steps:
            yield Finding(
                impact=Impact.NOTE,
                when=When.LATER,
                message="shrinks",
                item=one.job_name,
                evidence={"steps": Number(one.shrinking_steps)},
            )
    for one in hidden:
        yield NotChecked(item=one.job_name, reason="what a maintenance plan does is not shown in its job")
    if not facts.rows:
        yield Passed()


probe = Probe(
    id="sqlserver.shrink-jobs",
    title="No job shrinks databases",
    check=check,
    levels=NoLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"shrinks": "The job {item} has steps that shrink databases or files ({steps})."},
    why="Shrinking scatters the indexes, the file grows again while people work, and nothing is gained.",
    remedy=(
        "In Management Studio: SQL Server Agent, Jobs, the job, Steps: delete the steps with SHRINKDATABASE "
        "or SHRINKFILE; if it has no others, disable the job. Then rebuild the indexes in a quiet hour. "
        "Gain: quicker lists, no growth at work. The way back: enable it again."
    ),
    verify="The next tune-up names no such job.",
    rights="SELECT on msdb.dbo.sysjobs, msdb.dbo.sysjobsteps",
    references=("sp_Blitz checks 79 and 180, First Responder Kit",),
)
