"""The load balancer's runtime protocol, spoken through a channel it is lent."""
