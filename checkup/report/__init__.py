"""The report: from an assessment to a page for the practice manager, and proof for the IS staff.

`ReportInput` -> `build_view` (pure) -> `render_html` -> `render_pdf` (in a process of its own).
"""
