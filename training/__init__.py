"""How the two networks come to be: from a folder of radiographs to a calibrated bundle."""
