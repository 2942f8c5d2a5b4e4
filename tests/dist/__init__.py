"""The tests of what is given to others: the folder for nitro-cli, the tarballs of a release, the build twice."""
