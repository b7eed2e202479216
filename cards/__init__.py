"""The dataset card's templates."""
