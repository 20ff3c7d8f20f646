"""Rating: a cell's facts and a recipe in, shares with reasons out. One module per release; old ones stay."""
