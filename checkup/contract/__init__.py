"""What the contract promises and when it falls due. Pure: events, calendar and today are handed in."""
