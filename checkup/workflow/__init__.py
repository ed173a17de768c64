"""What a command does: site, plan, collection, analysis, store and report put together."""
