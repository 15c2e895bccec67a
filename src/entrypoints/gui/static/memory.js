// Keeps a visitor's defaults in this browser, and tells them to the page once it is there.
const PLACE = "imaging.defaults";

export default function memory({ data, setStateValue }) {
  try {
    if (data.keep) localStorage.setItem(PLACE, data.keep);
    const kept = localStorage.getItem(PLACE);
    if (kept && kept !== data.known) setStateValue("kept", kept);
  } catch {
    // A browser that keeps nothing for this page: then there are no defaults.
  }
}
