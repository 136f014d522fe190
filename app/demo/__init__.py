"""The demonstration market: ten providers made from scikit-learn's bundled handwritten digits."""
