"""The conductor: observes the fleet, carries out a plan, observes again."""
