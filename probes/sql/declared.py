"""Are the databases there that the site file names?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from checkup.api import Context, Finding, Impact, NotApplicable, Number, Passed, Result

# Evidence of a finding: how many databases there are. Its message is "gone".
MESSAGES = {"gone": "{item} is not among the {databases} databases of this instance."}
WHY = (
    "A check-up that looks at the wrong instance, or at one without the clinic's database, would say that "
    "all is well."
)


def judge_declared(
    names: Collection[str], users: int, ctx: Context, same: Callable[[str], str] = str
) -> Iterator[Result]:
    """`names` are all databases of the instance, `users` how many of them are not the server's own; two
    names are one where `same` makes the same of them."""
    declared = ctx.target.declare.get("databases", ())
    if not isinstance(declared, tuple) or not declared:
        yield NotApplicable(reason="the site file names no databases of this instance")
        return
    there = {same(name) for name in names}
    for name in declared:
        if same(name) in there:
            yield Passed(item=name)
        else:
            yield Finding(
                impact=Impact.MAJOR, message="gone", item=name, evidence={"databases": Number(users)}
            )
