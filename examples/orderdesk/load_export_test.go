package main

// RunLoad is what -load does.
var RunLoad = runLoad
