"""The code location of the live engine; light, so that it starts quickly and idles cheaply."""
