"""Writes the site file's JSON Schema: `python -m checkup.site > docs/site.schema.json`."""

import json
import sys

from checkup.site import schema

sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
