# Installation: headers under include/balmer/, balmerConfig.cmake and balmer.pc.
