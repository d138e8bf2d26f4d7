"""The status page: one HTML document that the admin port serves at `/`."""
