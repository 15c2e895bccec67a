// Keeps a visitor's defaults in this browser, and tells them to the page once it is there.
const PLACE = "imaging.defaults";
// Each choice is written once: what another tab has chosen since is not undone by this one.
let written = null;

export default function memory({ data, setStateValue }) {
  try {
    if (data.keep && data.keep !== written) {
      localStorage.setItem(PLACE, data.keep);
      written = data.keep;
    }
    const kept = localStorage.getItem(PLACE);
    if (kept && kept !== data.known) setStateValue("kept", kept);
  } catch {
    // A browser that keeps nothing for this page: then there are no defaults.
  }
}
