"""What is for sale: listings and their versions, found, compared, licensed and put up."""
