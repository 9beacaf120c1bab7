"""Every activation of a network with given weights, to be followed by hand: what `cnncli forward` prints."""
