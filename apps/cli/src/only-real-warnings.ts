/*
 * Imported first, before anything that uses an experimental API of Node: that Node calls ML-KEM experimental is no news
 * for an operator, and stderr holds what a command says, as JSON where that was asked. Other warnings are printed.
 */
process.removeAllListeners("warning");
process.on("warning", (warning) => {
  if (warning.name !== "ExperimentalWarning") process.stderr.write(`${warning.name}: ${warning.message}\n`);
});
