import plugged

plugged.make_known()
