"""Anonymous founders: minting them and recognising them again."""
