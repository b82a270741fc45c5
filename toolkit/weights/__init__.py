"""The account of an artifact's weights: each constant equals the float32 conversion's within half a step, or the account names it."""
