"""The walker on a GPU: the native engine's own headers, compiled at run time for the card that is there.

`toolchain` makes a binary of a kernel's text, `driver` talks to the card, and
`episodes` plays a batch on it. Nothing here loads CUDA before it is asked to.
"""
