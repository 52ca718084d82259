package demo

// Reply answers without a server.
var Reply = reply
