"""What the pages of every application share: rendering, sign-in, charts, the base template."""
