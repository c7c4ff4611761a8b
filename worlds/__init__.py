"""What agents live in: types, skills, tasks, the embedded voxel world and adapters to other worlds."""
