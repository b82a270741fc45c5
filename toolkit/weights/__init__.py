"""The account of an artifact's weights: each is the float32 conversion's within half a step, or it is said which is not."""
