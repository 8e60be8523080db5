"""From a market frame that comes to the bytes of orders that leave, over real sockets."""
