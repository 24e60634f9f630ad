"""The host of clipdefense: types, models, data, training, evaluation, stages, runner, store and command line."""
