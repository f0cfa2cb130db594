"""The controller: reads devices, recognises results, sends signed observations."""
