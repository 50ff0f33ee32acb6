"""`make stack`: what many machines run, on this one. The parts, who keeps them alive, and what they are told."""
