"""The assembled script as text: what it may hold, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tree_sitter_bash
from machines import section
from tree_sitter import Language, Node, Parser

from checkup.api import Declared
from checkup.batch.posix import assemble, batch_of, script_text, token_of
from checkup.batch.section import BatchSection

# Everything that the prologue may start. A longer list is a decision, not an oversight.
PROGRAMS = {
    *("base64", "cksum", "date", "dd", "head", "id", "od", "openssl", "setsid", "sh"),
    *("tail", "timeout", "tr", "uname"),
}
BUILTINS = {
    *("[", "command", "echo", "exit", "export", "kill", "printf", "read", "set", "shift", "trap", "umask"),
    *("unalias", "unset", "wait"),
}
# This grammar takes a keyword that follows some assignments for a command's name.
KEYWORDS = {b"if", b"then", b"elif", b"else", b"fi", b"for", b"while", b"do", b"done"}


def batch(*sections: BatchSection) -> bytes:
    return assemble(sections, site="cedar-ridge", endpoint="srv-db")


def nodes(script: bytes) -> Iterator[Node]:
    waiting = [Parser(Language(tree_sitter_bash.language())).parse(script).root_node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.children


def test_a_script_redirects_to_nothing_but_the_null_device_and_descriptors() -> None:
    for node in nodes(batch()):
        assert not node.type.startswith("heredoc")
        if node.type == "file_redirect":
            text = node.text.decode() if node.text else ""
            operator, target = text.lstrip("0123456789"), text.split(">")[-1].strip()
            reads = operator.startswith("<") and not operator.startswith("<>")
            assert reads or target in {"/dev/null", "&1", "&2", "&3", "&-"}, text


def test_a_script_starts_only_the_programs_that_it_is_known_to_need() -> None:
    script = batch()
    own = {node.text for node in nodes(script) if node.type == "word" and _names_a_function(node)}
    started = {node.text for node in nodes(script) if node.type == "command_name"} - own
    assert started - KEYWORDS - {b'"$@"'} <= {name.encode() for name in PROGRAMS | BUILTINS}


def _names_a_function(node: Node) -> bool:
    return node.parent is not None and node.parent.type == "function_definition"


def test_the_grammar_used_here_understands_the_whole_script() -> None:
    assert not any(node.type == "ERROR" or node.is_missing for node in nodes(batch()))


def test_dd_is_never_given_a_file() -> None:
    assert b"of=" not in batch()
    assert b" if=" not in batch()


def test_a_script_is_ascii_and_one_function_called_on_the_last_line() -> None:
    script = batch(section("echo 'it''s'"), section("echo two", names=("ü",)))
    assert script.isascii()
    assert b"\r" not in script
    comment, opening, *_, closing, empty, call, end = script.decode().split("\n")
    assert comment.startswith("# ")
    assert (opening, closing) == ("checkup_batch() {", "} </dev/null 2>&1")
    assert (empty, call, end) == ("", "checkup_batch", "")


def test_the_same_sections_make_the_same_batch_and_others_another_token() -> None:
    assert batch(section("echo a")) == batch(section("echo a"))
    assert token_of(batch(section("echo a"))) != token_of(batch(section("echo b")))
    assert batch_of(batch()).startswith(token_of(batch()))


def test_the_token_of_another_script_is_refused() -> None:
    with pytest.raises(ValueError, match="not a batch"):
        token_of(b"echo hello\n")


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (section("echo ü"), "plain ASCII"),
        (section("echo \x1b"), "plain ASCII"),
        (section("echo a\r\n"), "plain ASCII"),
        (section("#" * 130_000), "at most"),
        (section("echo", timeout_s=0), "at least 1 s"),
        (section("echo", name="a b"), "letters"),
        (section("echo", name="x'; reboot; '"), "letters"),
        (section("echo", value="a\0b"), "NUL"),
        (section("echo", value="\ud800"), "UTF-8"),
        (section("echo", value=("a\nb",)), "line break"),
        (section("echo", value="ü" * 30_000), "at most"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_sent_is_refused_by_name(refused: BatchSection, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        batch(refused)
    assert repr(refused.name) in str(error.value)


@pytest.mark.parametrize("name", ["a-b", "1", "", "A=1", "é"])
def test_a_parameter_has_the_name_of_a_variable(name: str) -> None:
    parameters: dict[str, Declared] = {name: 1}
    with pytest.raises(ValueError, match="letters"):
        batch(BatchSection(target="t", name="n", version=1, script="", timeout_s=1, parameters=parameters))


def test_a_site_that_is_no_identifier_is_refused() -> None:
    with pytest.raises(ValueError, match="site"):
        assemble([], site="a'b", endpoint="e")


def test_a_section_is_shown_with_what_it_is_given() -> None:
    shown = script_text(section("\ndf -P\nexit 0\n", paths=("/srv", "/a b")))
    assert shown == "# P_paths=/srv\\0012/a b\ndf -P\nexit 0\n"


def test_without_checksums_the_script_says_why() -> None:
    bare = assemble([], site="s", endpoint="e", checksums=False).decode()
    assert "has_cksum=no # the connection has check sums of its own" in bare
    assert token_of(bare.encode()) != token_of(assemble([], site="s", endpoint="e"))
