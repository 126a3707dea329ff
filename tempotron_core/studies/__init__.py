"""Studies: trainings over a space of settings, shared by any number of processes through the storage of Optuna."""
