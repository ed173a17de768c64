"""The engineer's own machine during the run: a slow or sleeping laptop explains odd measurements."""

from __future__ import annotations

import re
import threading
import time

# Names that VPN clients give their adapters on Windows, macOS and Linux.
_VPN = re.compile(
    r"^(tun|tap|wg|ppp|utun|ipsec|vpn|zt|tailscale|cscotun|nordlynx)|vpn|wireguard|wintun|anyconnect|fortinet",
    re.IGNORECASE,
)
SAMPLE_S = 1.0
# The wall clock and the monotonic clock drift apart by more than this only while a machine sleeps.
ASLEEP_S = 5.0


class StationWatch:
    """Starts sampling when made; `facts` ends it and says what was seen."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil
        self._wall, self._monotonic = time.time(), time.monotonic()
        self._busiest = 0.0
        self._vpn_before = self._vpn_adapters()
        self._stop = threading.Event()
        psutil.cpu_percent(None)
        self._thread = threading.Thread(target=self._sample, name="checkup-station", daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self._busiest = max(self._busiest, self._psutil.cpu_percent(None))

    def _vpn_adapters(self) -> list[str]:
        stats = self._psutil.net_if_stats()
        return sorted(name for name, state in stats.items() if state.isup and _VPN.search(name))

    def facts(self) -> dict[str, str]:
        """What the method annex of the report prints, in its order."""
        self._stop.set()
        self._thread.join()
        busiest = max(self._busiest, self._psutil.cpu_percent(None))
        slept = (time.time() - self._wall) - (time.monotonic() - self._monotonic)
        after = self._vpn_adapters()
        vpn = ", ".join(after) or "none up"
        if after != self._vpn_before:
            vpn += f" (at the start: {', '.join(self._vpn_before) or 'none up'})"
        memory = self._psutil.virtual_memory()
        return {
            "processors": str(self._psutil.cpu_count() or "unknown"),
            "busiest moment": f"{busiest:.0f} % of all processors",
            "memory in use at the end": f"{memory.percent:.0f} %",
            "VPN adapters": vpn,
            "slept during the run": f"about {slept:.0f} s" if slept > ASLEEP_S else "no",
        }
