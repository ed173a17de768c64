"""What all `connect:` models of the site file share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ConnectModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
