"""What every stage stands on: settings, errors, logs, the object store, the lake's layout and the manifests."""
