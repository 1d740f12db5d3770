/** Ends the output with the number of tests that ran. */
module.exports = class CountReporter {
  onRunComplete(_contexts, { numPassedTests, numFailedTests, numPendingTests, numRuntimeErrorTestSuites }) {
    this.line = `unit tests: ${numPassedTests} passed`;
    if (numFailedTests > 0) {
      this.line += `, ${numFailedTests} failed`;
    }
    if (numRuntimeErrorTestSuites > 0) {
      this.line += `, ${numRuntimeErrorTestSuites} files did not run`;
    }
    if (numPendingTests > 0) {
      this.line += `, ${numPendingTests} skipped`;
    }
    // The default reporter writes its summary to stderr; ours comes after it.
    process.on('exit', () => console.log(this.line));
  }
};
