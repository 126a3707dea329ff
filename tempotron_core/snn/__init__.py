"""Spiking neural network: population code, event-driven membrane potential, tempotron."""
