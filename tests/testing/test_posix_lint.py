from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkup.testing.posix_lint import problems

READS = r"""
first_word() { while IFS=: read -r a b; do echo "$a"; done </etc/passwd; }
first_word
for x in /proc/[0-9]*/stat; do read -r p _ <"$x" && printf '%s\n' "$p"; done
x=$(date +%s); y=${x%%5*}; z=$((x - 3))
case "$x" in 1*) echo one ;; *) : ;; esac
if ! command -v ss >/dev/null 2>&1; then absent "no ss"; elif [ -r /x ] || [ "$y" -gt 3 ]; then ss -Hlnt; fi
awk '{ n[$1] += $2; if ($3 > 4) print "a > b", ($5 > 3) } END { for (k in n) print k, n[k] / 2 }' /proc/stat
[ -n "$P_since" ] && journalctl -q --no-pager -p err --since "@$P_since" -o cat 2>/dev/null | head -n 5
printf '%s\n' "$P_list" | while IFS= read -r n; do getent hosts "$n"; systemctl is-active -- "$n"; done
set -f
set -- $x
shift 2
echo "${1:-none}" "$#" "$@" "$?"
systemctl list-units --failed --plain --no-legend --no-pager
sed -n 's/^a=//p;2q' /etc/os-release
find /etc/cron.d -maxdepth 1 -type f -newer /etc/passwd
openssl x509 -noout -enddate -in "$n" 2>&1
{ echo a; echo b; } | sort -u -k2,2n
exit 0
"""

# More than one line each, or with characters that cannot stand in the list below.
CHANGES_OF_SEVERAL_LINES = [
    "x=\\\n rm x",
    "echo a \\\n&& rm x",
    "printf ''\nrm x",
    "echo\x0brm\nrm\xa0x",
    "x=1\r\nrm x",
]

CHANGES = r"""
rm -rf /
rm x
>file
echo a > file
echo a >> /tmp/x
echo a >| /dev/null2
echo a &> file
echo a | tee file
dd if=/dev/zero of=x
kill 1
systemctl restart cron
systemctl --no-pager stop cron
systemctl "$x" cron
sed -i s/a/b/ file
sed -n 'w file' /etc/passwd
sed 's/a/b/w file' x
sed 's/a/rm x/e' x
sed '1e rm x' x
awk 'BEGIN { system("rm x") }'
awk 'BEGIN { print "a" > "file" }'
awk '{ print $1 >> "file" }' x
awk '{ print | "sh" }' x
awk 'BEGIN { "rm x" | getline y }'
awk 'BEGIN { f = "system"; @f("rm") }'
awk 'BEGIN { x = a /b/ c; print "x" | "sh" }'
awk -f program.awk
awk "$x"
awk '{ print }' -f x
find / -delete
find / -name x -exec rm {} ;
find / -fprint x
find $x
find "$x"
date -s 12:00
date 112310002026
eval "rm x"
exec rm x
. /etc/profile
source x
echo x | xargs rm
$cmd x
"$cmd" x
`echo rm` x
$(echo rm) x
env rm x
sh -c 'rm x'
bash x
nohup cat x
crontab -r
curl http://example.test
wget x
nc -l 1
cat x &
{ cat x & }
if true; then cat x & fi
for i in 1; do cat x & done
PATH=/tmp
PATH=/tmp cat x
LD_PRELOAD=x cat y
export a
read -r PATH
for PATH in a; do echo; done
echo ${PATH:=x}
printf -v PATH x
alias cat=rm
unset -f cat
trap 'rm x' EXIT
command rm x
builtin kill 1
\rm x
'rm' x
r\m x
/bin/rm x
./x
cat <<EOF
diff <(rm x) y
cat <<< x
[[ -n x ]]
x=(a b)
if false; then rm() { :; }; fi; rm x
rm x; rm() { :; }
cat() { :; }
uniq a b
sort -o x y
sort "$x"
hostname evil
ip link set eth0 down
ip addr add 1.2.3.4 dev eth0
ss -K
dmesg -c
dmesg -C
journalctl --vacuum-size=1M
journalctl --rotate
journalctl --flush
journalctl --sync
timedatectl set-time 12:00
chronyc makestep
openssl x509 -in x -out y
openssl genrsa
apt-get upgrade
apt-get -s install x
apt-get -s -o APT::Update::Pre-Invoke::=rm upgrade
apt install x
dpkg-query --control-path x
dpkg -i x
rpm -e x
rpm -qa --pipe rm
dnf check-update
smartctl -t short x
smartctl -s off x
lsblk -o "$(rm x)"
echo "$(rm x)"
echo "${x#$(rm x)}"
echo "${x:-`rm x`}"
case x in $(rm x)) echo ;; esac
case x in x) rm x ;; esac
echo $((1 + $(rm x)))
(rm x)
true && rm x
true || rm x
! rm x
while rm x; do :; done
cat /etc/shadow
cat /proc/1/environ
cat </dev/tcp/10.0.0.1/80
cat /dev/sda
ps -ef
sudo cat x
chmod 777 x
mount x
touch x
mkdir x
ln -s a b
cp a b
mv a b
truncate -s 0 x
logger x
wall x
reboot
python3 -c 1
perl -e 1
vi x
git status
ssh x
umask 0
ulimit -n 1
"""


def test_a_fragment_that_only_reads_has_no_problem() -> None:
    assert problems(READS) == []


@pytest.mark.parametrize("script", [line for line in CHANGES.splitlines() if line])
def test_what_may_change_something_is_refused(script: str) -> None:
    assert problems(script)


@pytest.mark.parametrize("script", CHANGES_OF_SEVERAL_LINES)
def test_tricks_with_the_ends_of_lines_are_refused(script: str) -> None:
    assert problems(script)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(
    line=st.sampled_from([line for line in CHANGES.splitlines() if line]),
    place=st.integers(0, READS.count("\n")),
)
def test_a_dangerous_line_is_caught_wherever_it_stands(line: str, place: int) -> None:
    lines = READS.splitlines()
    assert problems("\n".join([*lines[:place], line, *lines[place:]]))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    problems(text)


def test_the_line_is_named() -> None:
    (problem,) = problems("echo a\n\nrm x\n")
    assert str(problem) == "line 3: rm is not on the list of programs that only read"
