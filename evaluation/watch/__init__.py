"""The playground: a page where a person watches a served student act, or acts in its place."""
