"""What is done with a feature repository: the work behind the commands and behind `FeatureStore`."""
