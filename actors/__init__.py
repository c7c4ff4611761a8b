"""Ray actors: simulator hosts, teacher replicas, policy inference; deadlines and supervision."""
