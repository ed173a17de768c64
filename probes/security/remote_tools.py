"""How programs for remote control show on a Windows machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tool:
    """How a program shows: begins of the names of its services, its executables, its name in the list of
    programs, the TCP ports it answers on. All in lower case. `retired`: it should be used no more."""

    key: str
    title: str
    services: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    listed: str = ""
    ports: tuple[int, ...] = ()
    retired: bool = False


# Names as the programs' own installers give them. Retired: pcAnywhere, whose source was stolen and whose
# maker asked to switch it off (Symantec, January 2012) and dropped it; Timbuktu, Ammyy Admin and the VNC
# programs that send the screen without encryption.
TOOLS = (
    Tool("pcanywhere", "pcAnywhere", ("awhost32",), ("awhost32.exe",), "pcanywhere", (5631,), retired=True),
    Tool("timbuktu", "Timbuktu", ("tb2launch", "tb2pro"), ("tb2pro.exe",), "timbuktu", (407,), retired=True),
    Tool("ultravnc", "UltraVNC", ("uvnc_service",), ("winvnc.exe",), "ultravnc", (5900, 5800), retired=True),
    Tool("tightvnc", "TightVNC", ("tvnserver",), ("tvnserver.exe",), "tightvnc", (5900, 5800), retired=True),
    Tool(
        "tigervnc", "TigerVNC", ("tigervnc", "winvnc4"), ("winvnc4.exe",), "tigervnc", (5900,), retired=True
    ),
    Tool("ammyy", "Ammyy Admin", ("ammyyadmin", "ammyy"), ("aa_v3.exe",), "ammyy", retired=True),
    Tool(
        "realvnc",
        "RealVNC",
        ("vncserver",),
        ("vncserver.exe", "vncserverui.exe"),
        "(realvnc|vnc server)",
        (5900,),
    ),
    Tool(
        "teamviewer",
        "TeamViewer",
        ("teamviewer",),
        ("teamviewer_service.exe", "teamviewer.exe"),
        "teamviewer",
    ),
    Tool("anydesk", "AnyDesk", ("anydesk",), ("anydesk.exe",), "anydesk", (7070,)),
    Tool(
        "screenconnect",
        "ScreenConnect",
        ("screenconnect client",),
        ("screenconnect.clientservice.exe",),
        "screenconnect",
    ),
    Tool(
        "logmein", "LogMeIn", ("logmein", "lmiguardiansvc"), ("logmein.exe", "lmiguardiansvc.exe"), "logmein"
    ),
    Tool("gotomypc", "GoToMyPC", ("gotomypc",), ("g2svc.exe", "g2comm.exe"), "gotomypc"),
    Tool("gotoassist", "GoToAssist", ("gotoassist",), ("g2ax_service.exe",), "gotoassist"),
    Tool(
        "splashtop",
        "Splashtop",
        ("splashtopremoteservice",),
        ("srservice.exe", "srmanager.exe"),
        "splashtop",
        (6783,),
    ),
    Tool("dameware", "Dameware", ("dwmrcs", "dwrcs"), ("dwrcs.exe",), "dameware", (6129,)),
    Tool("radmin", "Radmin", ("rserver3", "r_server"), ("rserver3.exe", "r_server.exe"), "radmin", (4899,)),
    Tool(
        "remote-utilities",
        "Remote Utilities",
        ("rmanservice",),
        ("rutserv.exe",),
        "remote utilities",
        (5650,),
    ),
    Tool("remotepc", "RemotePC", ("rpcservice", "remotepc"), ("remotepcservice.exe",), "remotepc"),
    Tool("supremo", "Supremo", ("supremoservice",), ("supremoservice.exe", "supremo.exe"), "supremo"),
    Tool("rustdesk", "RustDesk", ("rustdesk",), ("rustdesk.exe",), "rustdesk"),
    Tool("netsupport", "NetSupport Manager", ("client32",), ("client32.exe",), "netsupport", (5405,)),
    Tool("netop", "Netop Remote Control", ("nhostsvc", "netop host"), ("nhostsvc.exe",), "netop", (6502,)),
    Tool(
        "bomgar",
        "BeyondTrust Remote Support",
        ("bomgar-",),
        ("bomgar-scc.exe",),
        "(bomgar|beyondtrust remote)",
    ),
    Tool("zoho-assist", "Zoho Assist", ("zoho assist", "zohoassist"), ("za_connect.exe",), "zoho ?assist"),
    Tool("dwservice", "DWService", ("dwagent",), ("dwagsvc.exe",), "dwagent"),
    Tool("chrome", "Chrome Remote Desktop", ("chromoting",), ("remoting_host.exe",), "chrome remote desktop"),
)

# Ports on which nothing but such a program answers (IANA service names, and the makers' own pages).
TELLING_PORTS = (4899, 5405, 5631, 5650, 5800, 5900, 5901, 6129, 6502, 6783)
