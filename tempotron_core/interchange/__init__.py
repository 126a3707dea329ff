"""Files of other tools: networks, spike times, exports, recording of a training loop."""
