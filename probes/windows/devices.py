"""What the device manager's error codes mean."""

from __future__ import annotations

from collections.abc import Mapping

# ConfigManagerErrorCode: the problem codes of the device manager.
# https://support.microsoft.com/windows/error-codes-in-device-manager-in-windows
FAULTS: Mapping[int, str] = {
    0: "none",
    1: "not set up correctly",
    3: "driver damaged, or too little memory",
    10: "cannot start",
    12: "too few free resources",
    14: "needs a restart",
    18: "its driver must be installed again",
    19: "its entry in the registry is damaged",
    21: "being removed",
    22: "switched off in the device manager",
    24: "not there, or without all of its drivers",
    28: "no driver installed",
    29: "switched off by the firmware",
    31: "its driver cannot be loaded",
    32: "its driver's service is switched off",
    37: "its driver could not be started",
    38: "an old driver is still in memory",
    39: "its driver is missing or damaged",
    40: "its driver's service has no entry",
    41: "driver loaded, but the device was not found",
    42: "a device of the same kind is already there",
    43: "stopped, because it reported a problem",
    44: "stopped by a program",
    45: "not connected",
    47: "prepared for removal",
    48: "its driver was blocked",
    49: "the registry has no room for it",
    52: "its driver is not signed",
    54: "failed, and is being reset",
}
