"""Pictures that come from outside and pictures that go out in another shape, by way of Pillow."""
