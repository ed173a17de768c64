# This script looks at this machine for a check-up and changes nothing on it: it writes no file,
# not even a temporary one; all it has to say goes to its standard output, as frames.
# A frame is one line that starts with "#CHECKUP", and the number of bytes which that line announces.

umask 077
set -f
unset CDPATH ENV BASH_ENV
unalias -a 2>/dev/null
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL

count=0
tab=$(printf '\t')
unit=$(printf '\037')
record=$(printf '\036')
newline='
'
spaces=" $tab$newline"
not_text="[! -~$tab$newline]"
not_printable='[! -~]'
quote="[\"']"

has() { command -v "$1" >/dev/null 2>&1; }

# What every section finds ready: its parameters as P_<name>, and four ways to say that the facts
# are not what they should be. The signal carries "partial" out of pipes and subshells too; so a
# section that said "denied" in a pipe, where it cannot stop the section, still does not end well.
functions='
checkup_ending=0
trap "checkup_ending=44" USR1
trap "[ \$? -ne 0 ] || exit \$checkup_ending" EXIT
checkup_say() { printf "%s\n" "$*" >&2; kill -USR1 $$; }
absent() { checkup_say "$@"; exit 41; }
unsupported() { checkup_say "$@"; exit 42; }
denied() { checkup_say "$@"; exit 43; }
partial() { checkup_say "$@"; }
while [ $# -gt 1 ]; do
  checkup_value=$(printf "%b." "$2")
  export "P_$1=${checkup_value%.}"
  shift 2
done
'

# Milliseconds since this machine was started, -1 where that is not known.
clock() {
  now=-1
  uptime=
  read -r uptime idle 2>/dev/null </proc/uptime
  case $uptime in
  *[!0-9.]* | *.*.*) ;;
  *?.[0-9][0-9])
    hundredths=1${uptime#*.}
    now=$((${uptime%.*} * 1000 + (hundredths - 100) * 10))
    ;;
  esac
}

# Prints one frame; its payload is in $payload.
frame() { # kind target section version status milliseconds reason
  kind=$1 about="target=$2 section=$3 version=$4" status=$5 spent=$6 reason=$7
  encoding=text
  # shellcheck disable=SC2254 # a pattern is meant
  case $payload in
  *$not_text*)
    case $encoder in
    base64) encoding=b64 payload=$(printf '%s' "$payload" | base64) ;;
    openssl) encoding=b64 payload=$(printf '%s' "$payload" | openssl base64) ;;
    od) encoding=hex payload=$(printf '%s' "$payload" | od -A n -v -t x1) ;;
    *) payload='' status=bad_output reason='not plain text, and neither base64, openssl nor od is here' ;;
    esac
    ;;
  esac
  case $has_cksum,$payload in
  yes,) checksum=4294967295 ;; # that of nothing
  yes,*) checksum=$(printf '%s' "$payload" | cksum) checksum=${checksum%% *} ;;
  *) checksum=- ;;
  esac
  printf '#CHECKUP %s %s %s status=%s ms=%s encoding=%s bytes=%s cksum=%s reason=%s\n%s\n' "$token" "$kind" \
    "$about" "$status" "$spent" "$encoding" "${#payload}" "$checksum" "$reason" "$payload"
  count=$((count + 1))
}

# Runs a command for some seconds at most. Where nothing here can end it, whoever reads us will.
within() { # seconds command...
  case $ending in
  group) timeout -s KILL "$@" ;;
  alone)
    # This timeout ends one process only and leaves its children behind: give them a group to end.
    # shellcheck disable=SC2016 # expanded by the inner shell, where $0 is the number of seconds
    setsid timeout -s TERM "$1" sh -c 'trap "kill -KILL 0" TERM; "$@" & wait "$!"' "$@"
    ;;
  *) shift && "$@" ;;
  esac
}

# Prints the beginning and the end of what comes in, as one line; reads all of it, so that nobody
# has to wait for a full pipe.
summary() {
  text=''
  line=''
  while [ "${#text}" -lt 200 ] && IFS= read -r line; do
    text="$text${text:+; }$line"
    line=''
  done
  [ -z "$line" ] || text="$text${text:+; }$line"
  [ "${#text}" -lt 200 ] || text="$(printf '%.200s' "$text") ... $(tail -c 50)"
  # shellcheck disable=SC2254 # a pattern is meant
  case $text in
  *$not_printable*) text=$(printf '%s' "$text" | tr -c ' -~' ' ') ;;
  esac
  printf ' %s%send\n' "$text" "$unit"
}

# Prints what the section's code prints, then its exit status and a summary of its complaints.
run() { # [parameter value]...
  {
    {
      within "$seconds" sh -c "$functions$code" checkup "$@" 2>&1 >&3 3>&-
      printf '%s%s %s' "$unit" "$token" "$?" >&3
    } | summary >&3
  } 3>&1
}

# At most a megabyte of what it prints. A shell's variable loses NUL bytes: dd counts what there was,
# and where it cannot, NUL becomes another byte that no text has.
capture() { # [parameter value]...
  case $limiter in
  dd) run "$@" | dd bs="$most" count=1 iflag=fullblock 2>&1 ;;
  head) run "$@" | head -c "$most" | tr '\000' '\036' ;;
  *) run "$@" | dd bs=1024 count=1024 2>/dev/null | tr '\000' '\036' ;;
  esac
}

section() { # target name version seconds code [parameter value]...
  target=$1 name=$2 version=$3 seconds=$4 code=$5
  shift 5
  clock
  spent=$now
  raw=$(capture "$@")
  clock
  [ "$spent" -lt 0 ] || spent=$((now - spent))

  IFS=$unit
  # shellcheck disable=SC2086 # it shall be split
  set -- none none $raw
  IFS=$spaces
  shift $(($# - 2))
  case $1,$2 in
  "$token "*,end*)
    payload=${raw%"$unit"*"$unit"*}
    verdict=${1#* }
    judge "${verdict%% *}" "${verdict#* }"
    counted=${2##*"$newline"}
    counted=${counted%% *}
    # Beside payload and verdict dd has counted two marks, "end" and a line feed.
    expected=$((${#payload} + ${#1} + 6))
    case $limiter,$counted,$payload in
    "dd,$expected,"*) ;;
    dd,* | *"$record"*) status=bad_output reason='the output holds NUL bytes, which a shell cannot keep' ;;
    esac
    ;;
  none,none)
    payload='' status=bad_output reason='this machine could not start the section'
    ;;
  *)
    status=partial reason="the output was cut at $most bytes"
    payload=$raw
    if [ "$limiter" = dd ]; then
      payload=${raw%[01]+[01] records in"$newline"*}
      case $2 in
      *1+0\ records\ in*) ;;
      *) status=bad_output reason='this machine broke the section off' ;;
      esac
    fi
    ;;
  esac
  frame SECTION "$target" "$name" "$version" "$status" "$spent" "$reason"
}

# The quality of a section's facts, from the exit status of its code.
judge() { # exit-status reason
  reason=$2
  case $1 in
  0) status=ok ;;
  41) status=absent ;;
  42) status=unsupported ;;
  43) status=denied ;;
  44) status=partial ;;
  126 | 127) status=absent ;;
  *)
    status=bad_output reason="exit status $1${2:+: $2}"
    # Killed: by the deadline if it was reached, else by somebody else.
    case $1,$ending in
    124,no | 137,no) ;;
    124,* | 137,*)
      if [ "$spent" -lt 0 ] || [ $((spent + 50)) -ge $((seconds * 1000)) ]; then
        status=timeout reason="not done within $seconds s${2:+: $2}"
      fi
      ;;
    esac
    ;;
  esac
}

# Finds out what this machine has for us to use.
prepare() {
  has_cksum=''
  if has cksum; then has_cksum=yes; fi

  encoder=''
  for tool in od openssl base64; do
    if has "$tool"; then encoder=$tool; fi
  done

  most=1000000
  limiter=''
  case $(printf 123 | dd bs=2 count=1 iflag=fullblock 2>&1) in
  "121+0 records in$newline"*"${newline}2 "*) limiter=dd ;;
  *)
    case $(printf 123 | head -c 2 2>/dev/null) in
    12) limiter=head ;;
    esac
    ;;
  esac

  # Some timeouts put what they run into a process group of its own and end the whole group.
  # shellcheck disable=SC2016 # expanded by the inner shell
  look='read -r pid name state parent group rest 2>/dev/null </proc/self/stat; echo "group $group"'
  group=''
  read -r pid name state parent group rest 2>/dev/null </proc/self/stat
  ending=no
  case $(timeout -s KILL 9 sh -c "$look" 2>/dev/null),$group in
  "group $group,"?*) if has setsid; then ending=alone; fi ;;
  "group "*) ending=group ;;
  esac
}

# The first frame: who answers.
hello() { # site endpoint batch
  # shellcheck disable=SC2046 # it shall be split
  set -- "$@" $(uname -snrm)
  os_id='' os_version='' identity=''
  kernel="$4 $6 $7"
  hostname=$5

  if [ -r /etc/os-release ]; then
    while IFS='=' read -r key value; do
      # shellcheck disable=SC2295 # a pattern is meant
      value=${value#$quote}
      # shellcheck disable=SC2295 # a pattern is meant
      value=${value%$quote}
      case $key in
      ID) os_id=$value ;;
      VERSION_ID) os_version=$value ;;
      esac
    done </etc/os-release
  fi

  for file in /etc/machine-id /var/lib/dbus/machine-id; do
    if [ -z "$identity" ] && [ -r "$file" ]; then read -r identity <"$file"; fi
  done
  case $identity in
  *[!0-9a-f]*) identity='' ;;
  ?*) identity="machine-id:$identity" ;;
  esac

  account=$(id)
  account=${account#uid=}
  uid=${account%%[!0-9]*}
  user=''
  case $account in
  "$uid("*) user=${account#*\(} user=${user%%\)*} ;;
  esac

  utc=$(date -u '+%s.%N')
  case $utc in
  *.*[!0-9]*) utc=${utc%%.*} ;;
  esac

  has_timeout=yes
  if [ "$ending" = no ]; then has_timeout=no; fi

  missing=''
  for tool in awk base64 cksum cut date dd df grep head id od ps sed setsid sort tail timeout tr uname; do
    has "$tool" || missing="$missing${missing:+ }$tool"
  done

  payload="protocol=1
platform=posix
site=$1
endpoint=$2
batch=$3
hostname=$hostname
kernel=$kernel
os_id=$os_id
os_version=$os_version
identity=$identity
uid=$uid
user=$user
utc=$utc
timeout=$has_timeout
missing=$missing
"
  frame HELLO - - 0 ok -1 ''
}

# The last frame: how many came before it.
goodbye() {
  payload="frames=$count
"
  frame END - - 0 ok -1 ''
}
